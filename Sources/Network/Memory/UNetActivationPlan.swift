// The plan of a pass through the network: its kernels, and when each buffer is in use.

package import Kernels
import Tensors

/// The shapes, kernels and buffers of a pass through a U-Net, before any memory is allocated.
///
/// A buffer is planned with the events that write it first and read it last. An event is a layer's
/// place in forward order; the loss comes behind the last, and the backward pass runs through
/// the layers in reverse, with two events for each. A buffer's gradient takes its place, once the
/// kernels that read it in the backward pass have done so.
struct UNetActivationPlan {
  /// The extents of the tile.
  let input: ImageShape
  /// The layers in forward order.
  let layers: [PlannedLayer]
  let workspaceSize: WorkspaceSize
  let threadWorkspace: ArenaPlan.Part
  let sharedWorkspace: ArenaPlan.Part
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
    lossWorkspacePerRow: Int = 1
  ) {
    input = ImageShape(
      height: height, width: width, channels: network.configuration.inputChannels)
    let events = PassEvents(network.layers)
    var planner = ActivationPlanner(training: training, events: events)
    layers = zip(network.layers, network.shapes(height: height, width: width)).enumerated().map {
      planner.layer($0, $1.0.operation, $1.1)
    }

    let output = layers[layers.count - 1].forward.output.shape
    workspaceSize = layers.reduce(WorkspaceSize()) { $0.union($1.workspaceSize) }
    let last = events.backward(0).end
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
  /// When the loss reads the logits.
  let loss: Int
  /// When the forward pass reads the output of each layer last.
  let lastReaders: [Int]

  init(_ layers: [UNetLayer]) {
    loss = layers.count
    var lastReaders = [Int](repeating: layers.count, count: layers.count)
    for (event, layer) in layers.enumerated() {
      for source in layer.sources { lastReaders[source] = event }
    }
    self.lastReaders = lastReaders
  }

  /// When the backward pass undoes what the forward pass did at `event`: from the gradient of a
  /// layer's output that of its sums, then what follows from that one.
  func backward(_ event: Int) -> (start: Int, end: Int) {
    let start = loss + 1 + 2 * (loss - 1 - event)
    return (start, start + 1)
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

  init(training: Bool, events: PassEvents) {
    self.training = training
    self.events = events
  }

  mutating func layer(
    _ event: Int, _ operation: UNetLayer.Operation, _ shape: LayerShape
  ) -> PlannedLayer {
    switch operation {
    case .unit(let unit):
      let (forward, backward) = places(of: unit, shape.output, event)
      var layer = PlannedLayer(
        kernel: .unit(unit.kernel(of: shape.input, training: training)), input: shape.input,
        forward: forward, backward: backward)
      if let stage = unit.normalization {
        let kernel = ChannelNormalization(shape: shape.output, groupSize: stage.groupSize)
        layer.normalization = (
          kernel,
          arena.reserve(
            kernel.statisticsCount, from: event,
            through: training ? events.backward(event).end : event)
        )
      }
      return layer
    case .pooling:
      let end = training ? events.backward(event).end : events.lastReaders[event]
      let places = PlannedPlaces(buffer(shape.output, from: event, through: end))
      return PlannedLayer(
        kernel: .pooling, input: shape.input, forward: places,
        backward: training ? places : nil,
        indices: arena.reserve(
          (shape.output.count + 3) / 4, from: event,
          through: training ? events.backward(event).end : event))
    }
  }

  /// Where a unit's sums and output lie in the forward and in the backward pass.
  ///
  /// In the backward pass the output is read from where its last reader is taken back, and its
  /// gradient until the unit itself is; its sums, which become their gradient, a little longer.
  private mutating func places(
    of unit: ConvolutionUnit, _ shape: ImageShape, _ event: Int
  ) -> (forward: PlannedPlaces, backward: PlannedPlaces?) {
    let lastReader = events.lastReaders[event]
    guard training else {
      return (PlannedPlaces(buffer(shape, from: event, through: lastReader)), nil)
    }
    let end = events.backward(event)
    if event == events.loss - 1 {
      // The loss reads the scores and writes their gradient.
      return (
        PlannedPlaces(buffer(shape, from: event, through: events.loss)),
        PlannedPlaces(buffer(shape, from: events.loss, through: end.end))
      )
    }
    let wanted = events.backward(lastReader).end
    guard unit.normalization != nil else {
      guard unit.isRecomputed else {
        let kept = PlannedPlaces(buffer(shape, from: event, through: end.end))
        return (kept, kept)
      }
      return (
        PlannedPlaces(buffer(shape, from: event, through: lastReader)),
        PlannedPlaces(buffer(shape, from: wanted, through: end.end))
      )
    }
    if unit.isRecomputed {
      return (
        PlannedPlaces(buffer(shape, from: event, through: lastReader)),
        PlannedPlaces(
          buffer(shape, from: wanted, through: end.end),
          buffer(shape, from: wanted, through: end.start))
      )
    }
    let sums = buffer(shape, from: event, through: end.end)
    let output = buffer(
      shape, from: event, through: unit.isNormalizedAnew ? lastReader : end.start)
    return (
      PlannedPlaces(sums, output),
      PlannedPlaces(
        sums,
        unit.isNormalizedAnew ? buffer(shape, from: wanted, through: end.start) : output)
    )
  }

  private mutating func buffer(
    _ shape: ImageShape, from: Int, through: Int
  ) -> PlannedBuffer {
    PlannedBuffer(shape: shape, part: arena.reserve(shape.count, from: from, through: through))
  }
}
