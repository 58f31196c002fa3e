// The plan of a pass through the network: its kernels, and when each buffer is in use.

package import Kernels
import Tensors

/// The shapes, kernels and buffers of a pass through a U-Net, before any memory is allocated.
///
/// A buffer is planned with the events that write it first and read it last. An event is a layer's
/// place in forward order; the loss comes behind the last, and the backward pass runs through
/// the events in reverse. A buffer's gradient takes its place, once the kernels that read it in the
/// backward pass have done so.
struct UNetActivationPlan {
  /// The extents of the tile.
  let input: ImageShape
  /// The layers in forward order.
  let layers: [PlannedLayer]
  /// Missing without training.
  let logitsGradient: ArenaPlan.Part?
  let workspaceSize: WorkspaceSize
  let threadWorkspace: ArenaPlan.Part
  let sharedWorkspace: ArenaPlan.Part
  /// Doubles for each row of the output, for the loss.
  let lossWorkspace: ArenaPlan.Part
  let arena: ArenaPlan

  /// The scores, which the last layer writes.
  var logits: PlannedBuffer { layers[layers.count - 1].output }

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

    let output = layers[layers.count - 1].output.shape
    logitsGradient =
      training
      ? planner.arena.reserve(
        output.count, from: events.loss, through: events.backward(layers.count - 1)) : nil
    workspaceSize = layers.reduce(WorkspaceSize()) { $0.union($1.kernel.workspaceSize) }
    let last = events.backward(0)
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

  /// When the backward pass undoes what the forward pass did at `event`.
  func backward(_ event: Int) -> Int { 2 * loss + 1 - event }
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

/// A layer's kernel and buffers.
struct PlannedLayer {
  let kernel: LayerKernel
  /// The extents of what it reads.
  let input: ImageShape
  let output: PlannedBuffer
  /// Where the output lies in the backward pass, if it is computed anew there.
  var recomputed: PlannedBuffer?
  /// For a pooling, which of four values was the largest: a byte each.
  var indices: ArenaPlan.Part?
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
      let isRecomputed = training && unit.isRecomputed
      return PlannedLayer(
        kernel: .unit(unit.kernel(of: shape.input, training: training)), input: shape.input,
        output: buffer(shape.output, event, kept: !isRecomputed),
        recomputed: isRecomputed ? recomputedBuffer(shape.output, event) : nil)
    case .pooling:
      return PlannedLayer(
        kernel: .pooling, input: shape.input, output: buffer(shape.output, event),
        indices: arena.reserve(
          (shape.output.count + 3) / 4, from: event,
          through: training ? events.backward(event) : event))
    }
  }

  /// A buffer that is kept has its gradient read last where what wrote it is taken back.
  private mutating func buffer(
    _ shape: ImageShape, _ event: Int, kept: Bool = true
  ) -> PlannedBuffer {
    PlannedBuffer(
      shape: shape,
      part: arena.reserve(
        shape.count, from: event,
        through: training && kept ? events.backward(event) : events.lastReaders[event]))
  }

  /// The buffer of an output that its last reader's backward pass needs again.
  private mutating func recomputedBuffer(_ shape: ImageShape, _ event: Int) -> PlannedBuffer {
    PlannedBuffer(
      shape: shape,
      part: arena.reserve(
        shape.count, from: events.backward(events.lastReaders[event]),
        through: events.backward(event)))
  }
}
