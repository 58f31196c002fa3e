// The memory of a pass through the network: every activation and gradient, planned once.

import Kernels
import Tensors
import Threading

/// The activations of a U-Net for one tile, and for training their gradients.
///
/// The plan knows when each buffer is written first and read last, so buffers that are never needed
/// at the same time share memory. Nothing is allocated in a pass.
public final class UNetActivations: @unchecked Sendable {
  // Unchecked: one pass at a time uses it, and the kernels divide the writing.

  /// The extents of the tile.
  public let input: ImageShape
  /// The scores of each class for each pixel of the output, written by `UNet.forward`.
  public let logits: TensorView
  /// The gradient of the loss by the logits, read by `UNet.backward`; nil for inference.
  public let logitsGradient: TensorView?
  /// Scratch memory of one Double for each row of the output.
  public let rowSums: UnsafeMutablePointer<Double>
  /// Whether there is memory for a backward pass.
  public let isForTraining: Bool
  /// Bytes of memory held.
  public let byteCount: Int

  let down: [DownMemory]
  let up: [UpMemory]
  let head: Convolution
  let scratch: ConvolutionScratch
  let biasScratch: UnsafeMutablePointer<Float>
  private let arena: Arena

  /// A convolution, its output, and the gradient of its output.
  struct Layer {
    let convolution: Convolution
    let output: TensorView
    let gradient: TensorView?
  }

  /// A level of the contracting path.
  struct DownMemory {
    let first: Layer
    let second: Layer
    /// Missing at the bridge.
    let pooling: Pooling?
  }

  /// The pooled features below a level, and what takes their gradient back.
  struct Pooling {
    let output: TensorView
    let indices: UnsafeMutablePointer<UInt8>
    let gradient: TensorView?
    /// The gradient that came across, of the cropped features.
    let skipGradient: TensorView?
  }

  /// A level of the expansive path.
  struct UpMemory {
    let upConvolution: UpConvolution
    let upOutput: TensorView
    let upGradient: TensorView?
    let first: Layer
    let second: Layer
  }

  /// Plans and allocates the memory for tiles of `height` x `width`.
  ///
  /// - Precondition: both are legal tile sizes of the configuration.
  public init(_ network: UNet, height: Int, width: Int, training: Bool, threads: Int) {
    let configuration = network.configuration
    precondition(
      configuration.outputSide(tile: height) != nil && configuration.outputSide(tile: width) != nil,
      "a tile of \(height) x \(width), which is not legal")
    let depth = configuration.depth
    let shape = ImageShape(height: height, width: width, channels: configuration.inputChannels)
    input = shape
    isForTraining = training

    // Events of the forward pass in order; backward runs through them in reverse.
    let pooled = { (level: Int) in 3 * level + 2 }
    let raised = { (level: Int) in 3 * depth + 2 + 3 * (depth - 1 - level) }
    let headEvent = 6 * depth + 2
    let lossEvent = headEvent + 1
    let back = { (event: Int) in 2 * lossEvent + 1 - event }

    var planner = ActivationPlanner(training: training, back: back)
    var scratchSize = ScratchSize()
    var biasScratchCount = 0

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
        padding: padding, inputGradient: training && inputGradient)
      scratchSize = scratchSize.union(convolution.scratchSize)
      biasScratchCount = max(
        biasScratchCount, BiasGradient.scratchCount(convolution.output))
      return convolution
    }

    // The contracting path.
    var downPlans: [(first: PlannedLayer, second: PlannedLayer, pooling: PlannedPooling?)] = []
    var features = shape
    for (level, block) in network.down.enumerated() {
      let event = 3 * level
      let first = plan(block.first, of: features, inputGradient: level > 0)
      let second = plan(block.second, of: first.output)
      features = second.output
      // The features of a level are read below it (or above the bridge) and across by its up stage.
      let isBridge = level == depth
      let secondLayer = planner.layer(
        second, written: event + 1,
        readForward: isBridge ? raised(depth - 1) : raised(level) + 1,
        gradientWritten: isBridge ? back(raised(depth - 1)) : back(pooled(level)))
      let firstLayer = planner.layer(
        first, written: event, readForward: event + 1, gradientWritten: back(event + 1))
      var pooling: PlannedPooling?
      if !isBridge {
        let half = ImageShape(
          height: features.height / 2, width: features.width / 2, channels: features.channels)
        pooling = planner.pooling(
          half, written: pooled(level), readForward: pooled(level) + 1)
        features = half
      }
      downPlans.append((firstLayer, secondLayer, pooling))
    }

    // The expansive path, from the deepest level up.
    var upPlans: [Int: (UpConvolution, PlannedBuffer, first: PlannedLayer, second: PlannedLayer)] =
      [:]
    var skipPlans: [Int: PlannedGradient] = [:]
    for level in (0..<depth).reversed() {
      let stage = network.up[level]
      let event = raised(level)
      let kind: UpConvolution.Kind =
        switch configuration.upsampling {
        case .nearest: .nearest(configuration.padding == .mirror ? .mirror : .zeros)
        case .transposed: .transposed
        }
      let upConvolution = UpConvolution(
        input: features, outputChannels: stage.upConvolution.outputChannels, kind: kind)
      scratchSize = scratchSize.union(upConvolution.scratchSize)
      biasScratchCount = max(biasScratchCount, BiasGradient.scratchCount(upConvolution.output))
      var joined = upConvolution.output
      joined.channels *= 2
      let first = plan(stage.block.first, of: joined)
      let second = plan(stage.block.second, of: first.output)
      features = second.output
      let raisedBuffer = planner.buffer(
        upConvolution.output, written: event, readForward: event + 1, readBack: back(event + 1),
        gradientWritten: back(event + 1), gradientRead: back(event))
      skipPlans[level] = planner.gradient(
        upConvolution.output, written: back(event + 1), read: back(pooled(level)))
      let next = level == 0 ? headEvent : raised(level - 1)
      upPlans[level] = (
        upConvolution, raisedBuffer,
        first: planner.layer(
          first, written: event + 1, readForward: event + 2, gradientWritten: back(event + 2)),
        second: planner.layer(
          second, written: event + 2, readForward: next, gradientWritten: back(next))
      )
    }

    head = plan(network.head, of: features)
    let logitsPlan = planner.buffer(
      head.output, written: headEvent, readForward: lossEvent, readBack: back(lossEvent),
      gradientWritten: lossEvent, gradientRead: back(headEvent))

    let last = back(0)
    let threadScratch = planner.plan.reserve(scratchSize.thread * threads, from: 0, through: last)
    let sharedScratch = planner.plan.reserve(scratchSize.shared, from: 0, through: last)
    let biasPart = planner.plan.reserve(biasScratchCount, from: 0, through: last)
    let rowPart = planner.plan.reserve(2 * head.output.height, from: 0, through: last)

    let arena = planner.plan.allocate()
    self.arena = arena
    byteCount = arena.count * MemoryLayout<Float>.stride
    down = downPlans.enumerated().map { level, plan in
      DownMemory(
        first: plan.first.resolved(in: arena), second: plan.second.resolved(in: arena),
        pooling: plan.pooling.map { pooling in
          Pooling(
            output: arena.view(pooling.buffer.part, pooling.buffer.shape),
            indices: UnsafeMutableRawPointer(arena.pointer(pooling.indices)).bindMemory(
              to: UInt8.self, capacity: pooling.buffer.shape.count),
            gradient: pooling.buffer.gradient.map { arena.view($0, pooling.buffer.shape) },
            skipGradient: skipPlans[level]?.resolved(in: arena))
        })
    }
    up = (0..<depth).compactMap { level in
      upPlans[level].map { upConvolution, buffer, first, second in
        UpMemory(
          upConvolution: upConvolution, upOutput: arena.view(buffer.part, buffer.shape),
          upGradient: buffer.gradient.map { arena.view($0, buffer.shape) },
          first: first.resolved(in: arena), second: second.resolved(in: arena))
      }
    }
    logits = arena.view(logitsPlan.part, logitsPlan.shape)
    logitsGradient = logitsPlan.gradient.map { arena.view($0, logitsPlan.shape) }
    scratch = ConvolutionScratch(
      threads: arena.pointer(threadScratch), threadStride: scratchSize.thread,
      shared: arena.pointer(sharedScratch))
    biasScratch = arena.pointer(biasPart)
    rowSums = UnsafeMutableRawPointer(arena.pointer(rowPart)).bindMemory(
      to: Double.self, capacity: head.output.height)
  }

  /// Multiply-adds of a forward pass by the direct algorithm.
  public var multiplyAdds: Int {
    down.reduce(0) { $0 + $1.first.convolution.multiplyAdds + $1.second.convolution.multiplyAdds }
      + up.reduce(0) {
        $0 + $1.upConvolution.multiplyAdds + $1.first.convolution.multiplyAdds
          + $1.second.convolution.multiplyAdds
      } + head.multiplyAdds
  }
}

// MARK: - Planning

/// A buffer of activations and, for training, that of its gradient.
private struct PlannedBuffer {
  var shape: ImageShape
  var part: ArenaPlan.Part
  var gradient: ArenaPlan.Part?
}

/// A buffer of gradients alone.
private struct PlannedGradient {
  var shape: ImageShape
  var part: ArenaPlan.Part

  func resolved(in arena: Arena) -> TensorView { arena.view(part, shape) }
}

private struct PlannedLayer {
  var convolution: Convolution
  var buffer: PlannedBuffer

  func resolved(in arena: Arena) -> UNetActivations.Layer {
    UNetActivations.Layer(
      convolution: convolution, output: arena.view(buffer.part, buffer.shape),
      gradient: buffer.gradient.map { arena.view($0, buffer.shape) })
  }
}

private struct PlannedPooling {
  var buffer: PlannedBuffer
  var indices: ArenaPlan.Part
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

  mutating func buffer(
    _ shape: ImageShape, written: Int, readForward: Int, readBack: Int, gradientWritten: Int,
    gradientRead: Int
  ) -> PlannedBuffer {
    PlannedBuffer(
      shape: shape,
      part: plan.reserve(
        shape.count, from: written, through: training ? readBack : readForward),
      gradient: training
        ? plan.reserve(shape.count, from: gradientWritten, through: gradientRead) : nil)
  }

  /// The output of a rectified convolution is read last where its own gradient is taken back.
  mutating func layer(
    _ convolution: Convolution, written: Int, readForward: Int, gradientWritten: Int
  ) -> PlannedLayer {
    PlannedLayer(
      convolution: convolution,
      buffer: buffer(
        convolution.output, written: written, readForward: readForward, readBack: back(written),
        gradientWritten: gradientWritten, gradientRead: back(written)))
  }

  /// Pooled features are read last for the weight gradient of the convolution that follows.
  mutating func pooling(_ shape: ImageShape, written: Int, readForward: Int) -> PlannedPooling {
    PlannedPooling(
      buffer: buffer(
        shape, written: written, readForward: readForward, readBack: back(readForward),
        gradientWritten: back(readForward), gradientRead: back(written)),
      indices: plan.reserve(
        (shape.count + 3) / 4, from: written, through: training ? back(written) : written))
  }

  mutating func gradient(_ shape: ImageShape, written: Int, read: Int) -> PlannedGradient? {
    guard training else { return nil }
    return PlannedGradient(
      shape: shape, part: plan.reserve(shape.count, from: written, through: read))
  }
}
