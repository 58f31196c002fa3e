// The operands of a convolution: input, output, epilogue and workspace.

import CVectors
package import Tensors

/// The input or output of a convolution: one image, or two side by side in channels.
///
/// Two images are the decoder's input, the cropped skip before the up-sampled features, and its
/// gradient; they are never copied together.
package struct ConvolutionImage: Sendable {
  let first: TensorView
  let second: TensorView?

  /// One image.
  package init(_ image: TensorView) {
    first = image
    second = nil
  }

  /// Two images of the same height and width; the channels of `first` come first.
  package init(_ first: TensorView, _ second: TensorView) {
    precondition(
      first.shape.height == second.shape.height && first.shape.width == second.shape.width,
      "two images of \(first.shape) and \(second.shape)")
    self.first = first
    self.second = second
  }

  var channels: Int { first.shape.channels + (second?.shape.channels ?? 0) }

  /// Whether neighbouring pixels of a row lie side by side, as gathering assumes.
  var hasDensePixels: Bool {
    first.pixelStride == first.shape.channels
      && second?.pixelStride == second?.shape.channels
  }

  /// Every `step`th row and column of both images.
  func everyNth(step: Int, row: Int, column: Int, height: Int, width: Int) -> ConvolutionImage {
    let part = { (view: TensorView) in
      view.everyNth(step: step, row: row, column: column, height: height, width: width)
    }
    guard let second else { return ConvolutionImage(part(first)) }
    return ConvolutionImage(part(first), part(second))
  }

  /// Overwrites everything with zeros.
  func clear() {
    for view in [first, second] {
      guard let view else { continue }
      for y in 0..<view.shape.height {
        for x in 0..<view.shape.width {
          view.pixel(y, x).update(repeating: 0, count: view.shape.channels)
        }
      }
    }
  }

  /// Loads up to `count` values of the pixel (y, x) from `channel` on, as many as there are.
  func load(channel: Int, count: Int, y: Int, x: Int, into values: UnsafeMutablePointer<Float>) {
    let firstChannels = first.shape.channels
    let shared = min(max(firstChannels - channel, 0), count)
    if shared > 0 { copyFloats(first.pixel(y, x) + channel, to: values, count: shared) }
    if shared < count, let second {
      let channel = channel + shared - firstChannels
      let rest = min(count - shared, second.shape.channels - channel)
      if rest > 0 { copyFloats(second.pixel(y, x) + channel, to: values + shared, count: rest) }
    }
  }

  /// Stores `channels` values of the pixel (y, x) from channel `firstChannel` on, by `epilogue`.
  @inline(__always)
  func store(
    _ values: UnsafePointer<Float>, channels: Int, firstChannel: Int, y: Int, x: Int,
    epilogue: Epilogue
  ) {
    let shared = min(max(first.shape.channels - firstChannel, 0), channels)
    if shared > 0 {
      epilogue.store(
        values, firstChannel: firstChannel, to: first.pixel(y, x) + firstChannel, count: shared,
        isFirst: true)
    }
    if shared < channels, let second {
      let channel = firstChannel + shared
      epilogue.store(
        values + shared, firstChannel: channel,
        to: second.pixel(y, x) + channel - first.shape.channels, count: channels - shared,
        isFirst: false)
    }
  }

  /// Asks for a channel of a tile, to be overwritten soon; where it is whole.
  @inline(__always)
  func prefetch(y: Int, x: Int, extent: Int, channel: Int) {
    guard y &+ extent <= first.shape.height && x &+ extent <= first.shape.width else { return }
    var view = first
    var place = channel
    if channel >= first.shape.channels, let second {
      view = second
      place = channel &- first.shape.channels
    }
    for row in 0..<extent {
      let line = view.pixel(y &+ row, x) + place
      for pixel in 0..<extent { CVectors_prefetchForWriting(line + pixel &* view.pixelStride) }
    }
  }

  /// Transforms sixteen channels of a tile's products back and stores them by `epilogue`;
  /// overwritten.
  ///
  /// `workspace` has 16 floats for each pixel of a tile.
  ///
  /// Channels beyond the last, rows from `height` and columns from `width` on are left out.
  @inline(__always)
  func storeTile<Transform: TileTransform>(
    _: Transform.Type, _ planes: PlaneSource, y: Int, x: Int, height: Int, width: Int,
    channel: Int, epilogue: Epilogue, workspace: UnsafeMutablePointer<Float>
  ) {
    let firstChannels = first.shape.channels
    var view: TensorView?
    var place = channel
    if channel &+ 16 <= firstChannels {
      view = first
    } else if channel >= firstChannels, let second,
      channel &- firstChannels &+ 16 <= second.shape.channels
    {
      view = second
      place = channel &- firstChannels
    }
    if let view {
      Transform.output(
        planes,
        into: epilogue.tile(
          view, y: y, x: x, height: height, width: width, place: place, channel: channel,
          isFirst: channel < firstChannels))
      return
    }
    let extent = Transform.outputExtent
    Transform.output(
      planes,
      into: TileTarget(
        base: workspace, rowStride: 16 &* extent, pixelStride: 16, height: height, width: width,
        bias: .zero, floor: Vector(repeating: -.infinity), passesWherePositive: false))
    for row in 0..<height {
      for column in 0..<width {
        store(
          workspace + 16 &* (row &* extent &+ column), channels: min(16, channels - channel),
          firstChannel: channel, y: y + row, x: x + column, epilogue: epilogue)
      }
    }
  }
}

/// The epilogue of a convolution: what is done to its sums when they are stored.
struct Epilogue {
  /// Added to the sums of each output channel.
  var bias: UnsafePointer<Float>?
  /// Whether negative results become 0.
  var appliesReLU = false
  /// Whether results become 0 where what they overwrite is not positive, in either image.
  var passing = ReLUMask.none

  /// Stores `count` floats, the channels of one pixel from `firstChannel` on, at `target`.
  @inline(__always)
  func store(
    _ values: UnsafePointer<Float>, firstChannel: Int, to target: UnsafeMutablePointer<Float>,
    count: Int, isFirst: Bool
  ) {
    if passing.covers(isFirst: isFirst) {
      maskByReLU(values, to: target, count: count)
    } else {
      storeFloats(
        values, bias: bias.map { $0 + firstChannel }, appliesReLU: appliesReLU, to: target,
        count: count)
    }
  }

  /// Where sixteen channels of a tile go.
  @inline(__always)
  func tile(
    _ view: TensorView, y: Int, x: Int, height: Int, width: Int, place: Int, channel: Int,
    isFirst: Bool
  ) -> TileTarget {
    TileTarget(
      base: view.pixel(y, x) + place, rowStride: view.rowStride, pixelStride: view.pixelStride,
      height: height, width: width, bias: bias.map { $0.vector(channel) } ?? .zero,
      floor: Vector(repeating: appliesReLU ? 0 : -.infinity),
      passesWherePositive: passing.covers(isFirst: isFirst))
  }
}

/// Which of a convolution's inputs came out of a ReLU.
///
/// The gradient of such an input is written over the input itself, and is 0 where the input was
/// not positive: the ReLU's own gradient.
package enum ReLUMask: Sendable {
  /// Neither image.
  case none
  /// The first image of two.
  case first
  /// All of the input.
  case all

  @inline(__always)
  func covers(isFirst: Bool) -> Bool {
    switch self {
    case .none: false
    case .first: isFirst
    case .all: true
    }
  }
}

/// Workspace of convolutions: a part for each thread, and a part for all.
package struct ConvolutionWorkspace: @unchecked Sendable {
  // Unchecked: each thread uses its own part; the shared part is divided by the kernels.
  private let threads: UnsafeMutablePointer<Float>
  private let threadStride: Int
  let shared: UnsafeMutablePointer<Float>

  /// Workspace at two addresses, with `threadStride` floats for each thread.
  package init(
    threads: UnsafeMutablePointer<Float>, threadStride: Int, shared: UnsafeMutablePointer<Float>
  ) {
    self.threads = threads
    self.threadStride = threadStride
    self.shared = shared
  }

  @inline(__always)
  func thread(_ index: Int) -> UnsafeMutablePointer<Float> { threads + index * threadStride }

  /// The same workspace with the shared part beginning `count` floats later.
  func shared(from count: Int) -> ConvolutionWorkspace {
    ConvolutionWorkspace(threads: threads, threadStride: threadStride, shared: shared + count)
  }
}

/// The workspace that a kernel needs, in floats.
package struct WorkspaceSize: Sendable, Equatable {
  /// For each thread.
  package var thread: Int
  /// For all threads together.
  package var shared: Int

  /// A size from its parts.
  package init(thread: Int = 0, shared: Int = 0) {
    self.thread = thread
    self.shared = shared
  }

  /// The size that serves both.
  package func union(_ other: WorkspaceSize) -> WorkspaceSize {
    WorkspaceSize(thread: max(thread, other.thread), shared: max(shared, other.shared))
  }

  /// Takes the size that serves both.
  package mutating func formUnion(_ other: WorkspaceSize) { self = union(other) }
}
