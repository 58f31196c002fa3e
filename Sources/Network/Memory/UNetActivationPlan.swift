// The plan of a pass through the network: its kernels, and when each buffer is in use.

package import Kernels
import Tensors

/// The shapes, kernels and buffers of a pass through a U-Net, before any memory is allocated.
///
/// A buffer is planned with the events that write it first and read it last. A layer has two of them:
/// its sums, and what is made of them. The loss comes behind those of all layers, and the backward
/// pass runs through them in reverse. A buffer's gradient takes its place, once the kernels that read
/// it in the backward pass have done so.
///
/// Of features that go down and, cropped, across the pooling keeps the centre: the gradient needs no more of
/// them, since it passes a ReLU where the pooled value is positive.
struct UNetActivationPlan {
  /// The extents of the tile.
  let input: ImageShape
  /// The layers in forward order.
  let layers: [PlannedLayer]
  /// The units that the backward pass computes again, by their places.
  let recomputed: Set<Int>
  /// Doubles for each row of the output, for the loss.
  let lossWorkspace: ArenaPlan.Part
  let arena: ArenaPlan

  /// Workspace that serves every layer.
  var workspaceSize: WorkspaceSize {
    layers.reduce(WorkspaceSize()) {
      $0.union($1.forwardWorkspaceSize).union($1.gradientWorkspaceSize)
    }
  }

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
    let shapes = network.shapes(height: height, width: width)
    var planner = ActivationPlanner(
      training: training, threads: threads, events: events, recomputed: recomputed,
      crops: Crop.all(of: network.layers, shapes))
    layers = planner.addingWorkspaces(
      to: zip(network.layers, shapes).enumerated().map {
        planner.layer($0, $1.0.operation, $1.1)
      }, of: network.layers)

    let output = layers[layers.count - 1].forward.output.shape
    lossWorkspace = planner.arena.reserve(
      2 * lossWorkspacePerRow * output.height, from: events.loss, through: events.loss)
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

/// The centre of a unit's features that goes across, where it is less than all of them.
private struct Crop {
  let shape: ImageShape
  /// The place of the pooling that reads all of them, and keeps the centre.
  let pooling: Int

  /// The crops of a network, by the places of the units.
  static func all(of layers: [UNetLayer], _ shapes: [LayerShape]) -> [Int: Crop] {
    var crops: [Int: Crop] = [:]
    for layer in layers where layer.sources.count == 2 {
      let (skip, beside) = (layer.sources[0], shapes[layer.sources[1]].output)
      guard
        let pooling = layers.firstIndex(where: {
          if case .pooling = $0.operation { $0.sources == [skip] } else { false }
        })
      else { continue }
      let shape = ImageShape(
        height: beside.height, width: beside.width, channels: shapes[skip].output.channels)
      if shape != shapes[skip].output { crops[skip] = Crop(shape: shape, pooling: pooling) }
    }
    return crops
  }
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

/// Workspace of a layer's kernels while they run.
struct PlannedWorkspace {
  let size: WorkspaceSize
  let threads: ArenaPlan.Part
  let shared: ArenaPlan.Part
}

/// The workspace of a layer in the passes; nil where it has nothing to do.
struct PlannedWorkspaces {
  let forward: PlannedWorkspace
  /// Where its output is computed again.
  let again: PlannedWorkspace?
  let backward: PlannedWorkspace?
}

/// A layer's kernels and buffers.
struct PlannedLayer {
  let kernel: LayerKernel
  /// The extents of what it reads.
  let input: ImageShape
  let forward: PlannedPlaces
  /// Where the backward pass finds the same and writes the gradients; nil without training.
  let backward: PlannedPlaces?
  /// Where the centre of the output that goes across is in the forward pass, and where the backward pass finds it
  /// and writes its gradient; nil where all of the output does.
  var skip: (forward: PlannedBuffer, backward: PlannedBuffer?)?
  /// Nil for a pooling, which needs none.
  var workspaces: PlannedWorkspaces?
  var normalization: (kernel: ChannelNormalization, statistics: ArenaPlan.Part)?
  /// For a pooling, which of four values was the largest: a byte each.
  var indices: ArenaPlan.Part?

  /// What the kernels of the forward pass need.
  var forwardWorkspaceSize: WorkspaceSize {
    guard case .unit(let kernel) = kernel else { return WorkspaceSize() }
    return kernel.forwardWorkspaceSize.union(normalizationWorkspaceSize)
  }

  /// What the kernels of the backward pass need, but for what is computed again.
  var gradientWorkspaceSize: WorkspaceSize {
    guard case .unit(let kernel) = kernel else { return WorkspaceSize() }
    return kernel.gradientWorkspaceSize.union(normalizationWorkspaceSize)
  }

  var normalizationWorkspaceSize: WorkspaceSize {
    normalization?.kernel.workspaceSize ?? WorkspaceSize()
  }
}

/// Reserves the buffers of layers; without training, nothing is kept for a backward pass.
private struct ActivationPlanner {
  var arena = ArenaPlan()
  let training: Bool
  let threads: Int
  let events: PassEvents
  let recomputed: Set<Int>
  let crops: [Int: Crop]

  init(
    training: Bool, threads: Int, events: PassEvents, recomputed: Set<Int>, crops: [Int: Crop]
  ) {
    self.training = training
    self.threads = threads
    self.events = events
    self.recomputed = recomputed
    self.crops = crops
  }

  mutating func layer(
    _ index: Int, _ operation: UNetLayer.Operation, _ shape: LayerShape
  ) -> PlannedLayer {
    switch operation {
    case .unit(let unit):
      let crop = crops[index]
      let (forward, backward) = places(of: unit, shape.output, crop)
      var layer = PlannedLayer(
        kernel: .unit(unit.kernel(of: shape.input, training: training)), input: shape.input,
        forward: forward, backward: backward)
      layer.skip = crop.map { skip(of: unit, $0) }
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
  ///
  /// With a crop it is the crop that is read from the pooling on, and until that is taken back.
  private mutating func places(
    of unit: ConvolutionUnit, _ shape: ImageShape, _ crop: Crop?
  ) -> (forward: PlannedPlaces, backward: PlannedPlaces?) {
    let lastReader = events.lastReaders[unit.index]
    let (begin, made) = (events.sums(unit.index), events.output(unit.index))
    let (taken, end) = (events.outputGradient(unit.index), events.sumsGradient(unit.index))
    let isLast = lastReader == unit.index
    let read = isLast ? events.loss : events.sums(crop?.pooling ?? lastReader)
    let readAgain = crop.map { events.sumsGradient($0.pooling) } ?? events.readAgain[unit.index]

    let isRecomputed = recomputed.contains(unit.index)
    precondition(crop == nil || !isRecomputed, "\(unit.name) is kept, in part, and computed again")
    let isInPlace = unit.normalization == nil || isRecomputed || !training
    guard isInPlace else {
      let sums = buffer(shape, from: begin, through: end)
      guard unit.isNormalizedAnew || crop != nil else {
        let places = PlannedPlaces(sums, buffer(shape, from: made, through: taken))
        return (places, places)
      }
      return (
        PlannedPlaces(sums, buffer(shape, from: made, through: read)),
        PlannedPlaces(sums, buffer(shape, from: readAgain, through: taken))
      )
    }
    // Scores have a gradient of their own, which the loss writes while it reads them.
    let isKept = training && !isRecomputed && !isLast && crop == nil
    let forward = PlannedPlaces(buffer(shape, from: begin, through: isKept ? end : read))
    guard training else { return (forward, nil) }
    if isKept { return (forward, forward) }
    let sums = buffer(shape, from: readAgain, through: end)
    let output =
      unit.normalization == nil ? sums : buffer(shape, from: readAgain, through: taken)
    return (forward, PlannedPlaces(sums, output))
  }

  /// Where the centre of a unit's output lies in the forward pass, and where in the backward pass: it is kept,
  /// but for what a normalization gives, which is made anew.
  private mutating func skip(
    of unit: ConvolutionUnit, _ crop: Crop
  ) -> (forward: PlannedBuffer, backward: PlannedBuffer?) {
    let kept = events.sums(crop.pooling)
    let read = events.sums(events.lastReaders[unit.index])
    let taken = events.sumsGradient(crop.pooling)
    guard training else { return (buffer(crop.shape, from: kept, through: read), nil) }
    if unit.isNormalizedAnew {
      return (
        buffer(crop.shape, from: kept, through: read),
        buffer(crop.shape, from: events.readAgain[unit.index], through: taken)
      )
    }
    let both = buffer(crop.shape, from: kept, through: taken)
    return (both, both)
  }

  /// The layers with workspace while their kernels run.
  ///
  /// What is computed again before one layer is taken back is so one after the other, in the same workspace.
  mutating func addingWorkspaces(
    to layers: [PlannedLayer], of network: [UNetLayer]
  ) -> [PlannedLayer] {
    var again: [Int: WorkspaceSize] = [:]
    for (index, layer) in layers.enumerated() {
      guard let size = sizeAgain(layer, network[index]) else { continue }
      again[events.readAgain[index], default: WorkspaceSize()].formUnion(size)
    }
    let shared = again.sorted { $0.key < $1.key }.reduce(into: [Int: PlannedWorkspace]()) {
      $0[$1.key] = workspace($1.value, from: $1.key, through: $1.key)
    }
    return layers.enumerated().map { index, layer in
      guard case .unit = layer.kernel else { return layer }
      var layer = layer
      layer.workspaces = PlannedWorkspaces(
        forward: workspace(
          layer.forwardWorkspaceSize, from: events.sums(index), through: events.output(index)),
        again: sizeAgain(layer, network[index]).flatMap { _ in shared[events.readAgain[index]] },
        backward: training
          ? workspace(
            layer.gradientWorkspaceSize, from: events.outputGradient(index),
            through: events.sumsGradient(index)) : nil)
      return layer
    }
  }

  /// The workspace in which a unit's output is computed again; nil where it is not.
  private func sizeAgain(_ layer: PlannedLayer, _ network: UNetLayer) -> WorkspaceSize? {
    guard training, case .unit(let unit) = network.operation else { return nil }
    if recomputed.contains(unit.index) { return layer.forwardWorkspaceSize }
    return unit.isNormalizedAnew ? layer.normalizationWorkspaceSize : nil
  }

  private mutating func workspace(
    _ size: WorkspaceSize, from first: Int, through last: Int
  ) -> PlannedWorkspace {
    PlannedWorkspace(
      size: size, threads: arena.reserve(size.thread * threads, from: first, through: last),
      shared: arena.reserve(size.shared, from: first, through: last))
  }

  private mutating func buffer(
    _ shape: ImageShape, from: Int, through: Int
  ) -> PlannedBuffer {
    PlannedBuffer(shape: shape, part: arena.reserve(shape.count, from: from, through: through))
  }
}
