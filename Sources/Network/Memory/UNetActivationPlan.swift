// The plan of a pass through the network: its convolutions, and when each buffer is in use.

import Kernels
import Tensors

/// The shapes, kernels and buffers of a pass through a U-Net, before any memory is allocated.
///
/// A buffer is planned with the events that write it first and read it last. Events number the
/// forward pass in order; backward runs through them in reverse. A buffer's gradient takes its
/// place, once the kernels that read it in the backward pass have done so.
struct UNetActivationPlan {
  let input: ImageShape
  /// The contracting path by level; the last is the bottleneck.
  private(set) var down: [PlannedDownStage]
  /// The expansive path by the level of its skip.
  let up: [PlannedUpStage]
  let head: Convolution
  let logits: PlannedBuffer
  /// Missing without training.
  let logitsGradient: ArenaPlan.Part?
  let workspaceSize: WorkspaceSize
  let threadWorkspace: ArenaPlan.Part
  let sharedWorkspace: ArenaPlan.Part
  /// One Double for each row of the output.
  let rowSums: ArenaPlan.Part
  let arena: ArenaPlan

  /// Plans the memory for tiles of `height` x `width`.
  ///
  /// - Precondition: both are legal tile sizes of the configuration.
  init(_ network: UNet, height: Int, width: Int, training: Bool, threads: Int) {
    let configuration = network.configuration
    precondition(
      configuration.outputSide(tile: height) != nil && configuration.outputSide(tile: width) != nil,
      "a tile of \(height) x \(width), which is not legal")
    let depth = configuration.depth
    let shape = ImageShape(height: height, width: width, channels: configuration.inputChannels)
    input = shape

    let events = PassEvents(depth: depth)
    var planner = ActivationPlanner(training: training, back: events.backward)
    var workspaceSize = WorkspaceSize()

    let padding: ConvolutionPadding =
      switch configuration.padding {
      case .valid: .none
      case .zero: .same(.zeros)
      case .mirror: .same(.mirror)
      }
    func plan(
      _ layer: ConvolutionLayer, of input: ImageShape, inputGradient: Bool = true
    ) -> Convolution {
      let convolution = Convolution(
        input: input, outputChannels: layer.outputChannels, kernel: layer.kernel,
        padding: padding, inputGradient: training && inputGradient, weightGradient: training)
      workspaceSize = workspaceSize.union(convolution.workspaceSize)
      return convolution
    }

    // The contracting path.
    down = []
    var features = shape
    for (level, block) in network.down.enumerated() {
      let event = events.down[level]
      let first = plan(block.first, of: features, inputGradient: level > 0)
      let second = plan(block.second, of: first.output)
      features = second.output
      let secondLayer = planner.layer(
        second, written: event.second, readForward: events.lastReader(ofLevel: level))
      // The first layer sees few channels, so its large output is not kept but computed anew.
      let isRecomputed = level == 0
      let firstLayer = planner.layer(
        first, written: event.first, readForward: event.second, kept: !isRecomputed)
      var pooling: PlannedPooling?
      if let pooled = event.pooled {
        let half = ImageShape(
          height: features.height / 2, width: features.width / 2, channels: features.channels)
        pooling = planner.pooling(
          half, written: pooled, readForward: events.down[level + 1].first)
        features = half
      }
      var again: PlannedBuffer?
      if isRecomputed && training {
        again = PlannedBuffer(
          shape: first.output,
          part: planner.plan.reserve(
            first.output.count, from: events.backward(event.second),
            through: events.backward(event.first)))
      }
      down.append(
        PlannedDownStage(
          first: firstLayer, recomputedFirst: again, second: secondLayer, pooling: pooling))
    }

    // The expansive path, from the deepest level up.
    var stages: [PlannedUpStage] = []
    for level in (0..<depth).reversed() {
      let stage = network.up[level]
      let event = events.up[level]
      let kind: UpConvolution.Kind =
        switch configuration.upsampling {
        case .nearest: .nearest(configuration.padding == .mirror ? .mirror : .zeros)
        case .transposed: .transposed
        }
      let upConvolution = UpConvolution(
        input: features, outputChannels: stage.upConvolution.outputChannels, kind: kind,
        gradients: training)
      workspaceSize = workspaceSize.union(upConvolution.workspaceSize)
      var joined = upConvolution.output
      joined.channels *= 2
      let first = plan(stage.block.first, of: joined)
      let second = plan(stage.block.second, of: first.output)
      features = second.output
      let upsampledBuffer = planner.buffer(
        upConvolution.output, written: event.upsampled, readForward: event.first)
      stages.append(
        PlannedUpStage(
          upConvolution: upConvolution, buffer: upsampledBuffer,
          first: planner.layer(first, written: event.first, readForward: event.second),
          second: planner.layer(
            second, written: event.second, readForward: events.reader(ofUpStage: level))))
    }
    up = stages.reversed()

    head = plan(network.head, of: features)
    logits = planner.buffer(head.output, written: events.head, readForward: events.loss)
    logitsGradient =
      training
      ? planner.plan.reserve(
        head.output.count, from: events.loss, through: events.backward(events.head)) : nil

    let last = events.backward(0)
    threadWorkspace = planner.plan.reserve(workspaceSize.thread * threads, from: 0, through: last)
    sharedWorkspace = planner.plan.reserve(workspaceSize.shared, from: 0, through: last)
    rowSums = planner.plan.reserve(2 * head.output.height, from: 0, through: last)
    self.workspaceSize = workspaceSize
    arena = planner.plan
  }
}

// MARK: - Planned parts

/// A buffer of activations, later of their gradient.
struct PlannedBuffer {
  var shape: ImageShape
  var part: ArenaPlan.Part
}

/// A convolution and the buffer of its output.
struct PlannedLayer {
  var convolution: Convolution
  var buffer: PlannedBuffer
}

/// The pooled features below a level.
struct PlannedPooling {
  var buffer: PlannedBuffer
  var indices: ArenaPlan.Part
}

/// A level of the contracting path; the bottleneck has no pooling.
struct PlannedDownStage {
  var first: PlannedLayer
  /// Where the first output lies in the backward pass, if it is computed anew there.
  var recomputedFirst: PlannedBuffer?
  var second: PlannedLayer
  var pooling: PlannedPooling?
}

/// A level of the expansive path.
struct PlannedUpStage {
  var upConvolution: UpConvolution
  var buffer: PlannedBuffer
  var first: PlannedLayer
  var second: PlannedLayer
}

/// Reserves buffers by the events that write and read them; without training, nothing is kept for
/// a backward pass.
private struct ActivationPlanner {
  var plan = ArenaPlan()
  let training: Bool
  let back: (Int) -> Int

  init(training: Bool, back: @escaping (Int) -> Int) {
    self.training = training
    self.back = back
  }

  /// A buffer that is kept has its gradient read last where what wrote it is taken back.
  mutating func buffer(
    _ shape: ImageShape, written: Int, readForward: Int, kept: Bool = true
  ) -> PlannedBuffer {
    PlannedBuffer(
      shape: shape,
      part: plan.reserve(
        shape.count, from: written, through: training && kept ? back(written) : readForward))
  }

  mutating func layer(
    _ convolution: Convolution, written: Int, readForward: Int, kept: Bool = true
  ) -> PlannedLayer {
    PlannedLayer(
      convolution: convolution,
      buffer: buffer(
        convolution.output, written: written, readForward: readForward, kept: kept))
  }

  mutating func pooling(_ shape: ImageShape, written: Int, readForward: Int) -> PlannedPooling {
    PlannedPooling(
      buffer: buffer(shape, written: written, readForward: readForward),
      indices: plan.reserve(
        (shape.count + 3) / 4, from: written, through: training ? back(written) : written))
  }
}
