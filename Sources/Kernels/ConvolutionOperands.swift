// What a convolution reads, writes and works in.

import Tensors

/// What a convolution reads or writes: one image, or two side by side in channels.
///
/// Two images are the decoder's input, the cropped skip before the up-sampled features, and its
/// gradient; they are never copied together.
public struct ConvolutionImage: Sendable {
  let first: TensorView
  let second: TensorView?

  /// One image.
  public init(_ image: TensorView) {
    first = image
    second = nil
  }

  /// Two images of the same height and width; the channels of `first` come first.
  public init(_ first: TensorView, _ second: TensorView) {
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

  /// Stores `channels` values of the pixel (y, x) from channel `firstChannel` on.
  @inline(__always)
  func store(
    _ values: UnsafePointer<Float>, channels: Int, firstChannel: Int, y: Int, x: Int,
    bias: UnsafePointer<Float>?, rectifying: Bool
  ) {
    let shared = min(max(first.shape.channels - firstChannel, 0), channels)
    if shared > 0 {
      storeFloats(
        values, bias: bias.map { $0 + firstChannel }, rectifying: rectifying,
        to: first.pixel(y, x) + firstChannel, count: shared)
    }
    if shared < channels, let second {
      let channel = firstChannel + shared
      storeFloats(
        values + shared, bias: bias.map { $0 + channel }, rectifying: rectifying,
        to: second.pixel(y, x) + channel - first.shape.channels, count: channels - shared)
    }
  }
}

/// Scratch memory of convolutions: a part for each thread, and a part for all.
public struct ConvolutionScratch: @unchecked Sendable {
  // Unchecked: each thread uses its own part; the shared part is divided by the kernels.
  private let threads: UnsafeMutablePointer<Float>
  private let threadStride: Int
  let shared: UnsafeMutablePointer<Float>

  /// Scratch memory at two addresses, with `threadStride` floats for each thread.
  public init(
    threads: UnsafeMutablePointer<Float>, threadStride: Int, shared: UnsafeMutablePointer<Float>
  ) {
    self.threads = threads
    self.threadStride = threadStride
    self.shared = shared
  }

  @inline(__always)
  func thread(_ index: Int) -> UnsafeMutablePointer<Float> { threads + index * threadStride }

  /// The same scratch memory with the shared part beginning `count` floats later.
  func shared(from count: Int) -> ConvolutionScratch {
    ConvolutionScratch(threads: threads, threadStride: threadStride, shared: shared + count)
  }
}

/// The scratch memory that a kernel needs, in floats.
public struct ScratchSize: Sendable, Equatable {
  /// For each thread.
  public var thread: Int
  /// For all threads together.
  public var shared: Int

  /// A size from its parts.
  public init(thread: Int = 0, shared: Int = 0) {
    self.thread = thread
    self.shared = shared
  }

  /// The size that serves both.
  public func union(_ other: ScratchSize) -> ScratchSize {
    ScratchSize(thread: max(thread, other.thread), shared: max(shared, other.shared))
  }
}
