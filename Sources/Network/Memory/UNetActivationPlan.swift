// The plan of a pass through the network: its kernels, and when each buffer is in use.

package import Kernels
import Tensors

/// The shapes, kernels and buffers of a pass through a U-Net, before any memory is allocated.
///
/// A buffer is planned with the events that write it first and read it last. A layer has two of them:
/// its sums, and what is made of them. The loss comes behind those of all layers, and the backward
/// pass runs through them in reverse. A buffer's gradient takes its place, once the kernels that read
/// it in the backward pass have done so.
struct UNetActivationPlan {
  /// The extents of the tile.
  let input: ImageShape
  /// The layers in forward order.
  let layers: [PlannedLayer]
  let workspaceSize: WorkspaceSize
  let threadWorkspace: ArenaPlan.Part
  let sharedWorkspace: ArenaPlan.Part
  /// The units that the backward pass computes again, by their places.
  let recomputed: Set<Int>
  /// Doubles for each row of the output, for the loss.
  let lossWorkspace: ArenaPlan.Part
  let arena: ArenaPlan

  /// The scores, which the last layer writes.
  var logits: PlannedBuffer { layers[layers.count - 1].forward.output }

  /// Plans the memory for tiles of `height` x `width`.
  ///
  /// - Precondition: both are legal tile sizes of the configuration.
  init(
    _ network: UNet, height: Int, width: Int, training: Bool, threads: Int,
    recomputation: Recomputation = .least, lossWorkspacePerRow: Int = 1
  ) {
    recomputed = recomputation.units(of: network)
    input = ImageShape(
      height: height, width: width, channels: network.configuration.inputChannels)
    let events = PassEvents(network.layers, recomputed: recomputed)
    var planner = ActivationPlanner(training: training, events: events, recomputed: recomputed)
    layers = zip(network.layers, network.shapes(height: height, width: width)).enumerated().map {
      planner.layer($0, $1.0.operation, $1.1)
    }

    let output = layers[layers.count - 1].forward.output.shape
    workspaceSize = layers.reduce(WorkspaceSize()) { $0.union($1.workspaceSize) }
    let last = events.sumsGradient(0)
    threadWorkspace = planner.arena.reserve(
      workspaceSize.thread * threads, from: 0, through: last)
    sharedWorkspace = planner.arena.reserve(workspaceSize.shared, from: 0, through: last)
    lossWorkspace = planner.arena.reserve(
      2 * lossWorkspacePerRow * output.height, from: 0, through: last)
    arena = planner.arena
  }
}

/// When layers write and read in a pass.
private struct PassEvents {
  /// The layer that reads the output of each layer last in the forward pass.
  let lastReaders: [Int]
  /// When the output of each layer is read first in the backward pass, or is written again for that.
  private(set) var readAgain: [Int]

  init(_ layers: [UNetLayer], recomputed: Set<Int>) {
    var lastReaders = Array(layers.indices)
    for (index, layer) in layers.enumerated() {
      for source in layer.sources { lastReaders[source] = index }
    }
    self.lastReaders = lastReaders
    readAgain = [Int](repeating: 2 * layers.count, count: layers.count)
    // From the end: a reader that is computed again reads before it is read itself.
    for index in layers.indices.reversed() where lastReaders[index] != index {
      readAgain[index] = 2 * loss
      for (reader, layer) in layers.enumerated() where layer.sources.contains(index) {
        readAgain[index] = min(
          readAgain[index], recomputed.contains(reader) ? readAgain[reader] : sumsGradient(reader))
      }
    }
  }

  /// When a layer reads its sources and writes its sums.
  func sums(_ layer: Int) -> Int { 2 * layer }

  /// When its output is made of them.
  func output(_ layer: Int) -> Int { 2 * layer + 1 }

  /// When the loss reads the scores and writes their gradient.
  var loss: Int { 2 * lastReaders.count }

  /// When the gradient of a layer's output becomes that of its sums.
  func outputGradient(_ layer: Int) -> Int { 2 * loss - output(layer) }

  /// When the gradient of its sums becomes those of its parameters and sources.
  func sumsGradient(_ layer: Int) -> Int { 2 * loss - sums(layer) }
}

// MARK: - Planned layers

/// The kernel of a layer.
package enum LayerKernel: Sendable {
  case unit(UnitKernel)
  case pooling

  /// How it is computed; nil for a pooling.
  package var plan: LayerPlan? {
    switch self {
    case .unit(let kernel): kernel.plan
    case .pooling: nil
    }
  }

  var workspaceSize: WorkspaceSize {
    switch self {
    case .unit(let kernel): kernel.workspaceSize
    case .pooling: WorkspaceSize()
    }
  }
}

/// A buffer of activations, later of their gradient.
struct PlannedBuffer {
  var shape: ImageShape
  var part: ArenaPlan.Part
}

/// Where the sums of a layer lie, and what becomes of them; the same buffer where one takes the
/// other's place.
struct PlannedPlaces {
  let sums: PlannedBuffer
  let output: PlannedBuffer

  init(_ sums: PlannedBuffer, _ output: PlannedBuffer) {
    self.sums = sums
    self.output = output
  }

  init(_ buffer: PlannedBuffer) { self.init(buffer, buffer) }
}

/// A layer's kernels and buffers.
struct PlannedLayer {
  let kernel: LayerKernel
  /// The extents of what it reads.
  let input: ImageShape
  let forward: PlannedPlaces
  /// Where the backward pass finds the same and writes the gradients; nil without training.
  let backward: PlannedPlaces?
  var normalization: (kernel: ChannelNormalization, statistics: ArenaPlan.Part)?
  /// For a pooling, which of four values was the largest: a byte each.
  var indices: ArenaPlan.Part?

  var workspaceSize: WorkspaceSize {
    kernel.workspaceSize.union(normalization?.kernel.workspaceSize ?? WorkspaceSize())
  }
}

/// Reserves the buffers of layers; without training, nothing is kept for a backward pass.
private struct ActivationPlanner {
  var arena = ArenaPlan()
  let training: Bool
  let events: PassEvents
  let recomputed: Set<Int>

  init(training: Bool, events: PassEvents, recomputed: Set<Int>) {
    self.training = training
    self.events = events
    self.recomputed = recomputed
  }

  mutating func layer(
    _ index: Int, _ operation: UNetLayer.Operation, _ shape: LayerShape
  ) -> PlannedLayer {
    switch operation {
    case .unit(let unit):
      let (forward, backward) = places(of: unit, shape.output)
      var layer = PlannedLayer(
        kernel: .unit(unit.kernel(of: shape.input, training: training)), input: shape.input,
        forward: forward, backward: backward)
      if let stage = unit.normalization {
        let kernel = ChannelNormalization(shape: shape.output, groupSize: stage.groupSize)
        layer.normalization = (
          kernel,
          arena.reserve(
            kernel.statisticsCount, from: events.sums(index),
            through: training ? events.sumsGradient(index) : events.output(index))
        )
      }
      return layer
    case .pooling:
      let (begin, end) = (events.sums(index), events.sumsGradient(index))
      let places = PlannedPlaces(
        buffer(
          shape.output, from: begin,
          through: training ? end : events.sums(events.lastReaders[index])))
      return PlannedLayer(
        kernel: .pooling, input: shape.input, forward: places,
        backward: training ? places : nil,
        indices: arena.reserve(
          (shape.output.count + 3) / 4, from: begin, through: training ? end : begin))
    }
  }

  /// Where a unit's sums and output lie in the forward and in the backward pass.
  ///
  /// In the backward pass the output is read from where its last reader is taken back, and its
  /// gradient until the unit itself is; the sums, which become their gradient, a little longer.
  private mutating func places(
    of unit: ConvolutionUnit, _ shape: ImageShape
  ) -> (forward: PlannedPlaces, backward: PlannedPlaces?) {
    let lastReader = events.lastReaders[unit.index]
    let (begin, made) = (events.sums(unit.index), events.output(unit.index))
    let (taken, end) = (events.outputGradient(unit.index), events.sumsGradient(unit.index))
    let isLast = lastReader == unit.index
    let read = isLast ? events.loss : events.sums(lastReader)
    let readAgain = events.readAgain[unit.index]

    let isRecomputed = recomputed.contains(unit.index)
    let isInPlace = unit.normalization == nil || isRecomputed || !training
    guard isInPlace else {
      let sums = buffer(shape, from: begin, through: end)
      guard unit.isNormalizedAnew else {
        let places = PlannedPlaces(sums, buffer(shape, from: made, through: taken))
        return (places, places)
      }
      return (
        PlannedPlaces(sums, buffer(shape, from: made, through: read)),
        PlannedPlaces(sums, buffer(shape, from: readAgain, through: taken))
      )
    }
    // Scores have a gradient of their own, which the loss writes while it reads them.
    let isKept = training && !isRecomputed && !isLast
    let forward = PlannedPlaces(buffer(shape, from: begin, through: isKept ? end : read))
    guard training else { return (forward, nil) }
    if isKept { return (forward, forward) }
    let sums = buffer(shape, from: readAgain, through: end)
    let output =
      unit.normalization == nil ? sums : buffer(shape, from: readAgain, through: taken)
    return (forward, PlannedPlaces(sums, output))
  }

  private mutating func buffer(
    _ shape: ImageShape, from: Int, through: Int
  ) -> PlannedBuffer {
    PlannedBuffer(shape: shape, part: arena.reserve(shape.count, from: from, through: through))
  }
}
