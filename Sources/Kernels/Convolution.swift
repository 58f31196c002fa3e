// A convolution with bias: forward, and the gradients of its input and its weights.

import Tensors
import Threading

/// How a convolution treats the border of its input.
public enum ConvolutionPadding: Sendable {
  /// Only outputs whose kernel lies within the input.
  case none
  /// k - 1 rows and columns around the input, the smaller half before it.
  case same(AxisMap.Border)
}

/// A convolution with a square kernel: general in kernel size, stride and padding.
///
///     output(y, x, o) = bias(o) + sum over i, j, c of
///                       input(s y + i - p, s x + j - p, c) * weight(i, j, c, o)
///
/// with p = 0 or (k - 1) / 2. Like every framework's "convolution" it does not turn the kernel.
/// Weights are [kH, kW, in, out] in row-major order, activations rows x columns x channels. All
/// results are the same bits for every number of threads.
public struct Convolution: Sendable {
  /// The extents of the input, channels of both sources together.
  public let input: ImageShape
  /// The extents of the output.
  public let output: ImageShape

  private let kernel: Int
  private let patches: PatchConvolution
  private let adjoint: ConvolutionAdjoint?

  /// Plans a convolution; without `inputGradient`, that gradient is never asked for.
  ///
  /// - Precondition: the kernel fits into the padded input.
  public init(
    input: ImageShape, outputChannels: Int, kernel: Int, stride: Int = 1,
    padding: ConvolutionPadding = .none, inputGradient: Bool = true
  ) {
    self.input = input
    self.kernel = kernel
    let (rows, columns) = (
      Self.axis(input.height, kernel, padding), Self.axis(input.width, kernel, padding)
    )
    patches = PatchConvolution(
      rows: rows, columns: columns, kernelHeight: kernel, kernelWidth: kernel, stride: stride,
      inputChannels: input.channels, outputChannels: outputChannels)
    output = ImageShape(
      height: patches.outputHeight, width: patches.outputWidth, channels: outputChannels)
    adjoint =
      inputGradient
      ? ConvolutionAdjoint(
        input: input, output: output, kernel: kernel, stride: stride, padding: padding,
        rows: rows, columns: columns)
      : nil
  }

  private static func axis(_ extent: Int, _ kernel: Int, _ padding: ConvolutionPadding) -> AxisMap {
    switch padding {
    case .none: AxisMap(extent: extent)
    case .same(let border):
      AxisMap(extent: extent, before: (kernel - 1) / 2, after: kernel / 2, border: border)
    }
  }

  /// Weights in all.
  public var weightCount: Int { kernel * kernel * input.channels * output.channels }

  /// Multiply-adds of the forward pass.
  public var multiplyAdds: Int { output.pixels * weightCount }

  /// Scratch memory that the three functions need.
  public var scratchSize: ScratchSize {
    ScratchSize(thread: patches.threadScratch, shared: patches.sharedScratch)
      .union(adjoint?.scratchSize ?? ScratchSize())
  }

  /// output := convolution of the input, plus bias, rectified if asked for; overwritten.
  public func forward(
    _ input: ConvolutionImage, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>,
    rectifying: Bool, into output: TensorView, scratch: ConvolutionScratch, on team: ThreadTeam
  ) {
    patches.forward(
      input, weights: weights, bias: bias, rectifying: rectifying, into: ConvolutionImage(output),
      scratch: scratch, on: team)
  }

  /// inputGradient := the gradient of the input, given that of the output before the bias;
  /// overwritten.
  ///
  /// - Precondition: planned with `inputGradient`.
  public func inputGradient(
    _ outputGradient: TensorView, weights: UnsafePointer<Float>,
    into inputGradient: ConvolutionImage, scratch: ConvolutionScratch, on team: ThreadTeam
  ) {
    guard let adjoint else { preconditionFailure("planned without an input gradient") }
    adjoint.apply(
      outputGradient, weights: weights, into: inputGradient, scratch: scratch, on: team)
  }

  /// weightGradient += the gradient of the weights; accumulated.
  public func weightGradient(
    _ input: ConvolutionImage, outputGradient: TensorView,
    into weightGradient: UnsafeMutablePointer<Float>, scratch: ConvolutionScratch,
    on team: ThreadTeam
  ) {
    patches.weightGradient(
      input, outputGradient: outputGradient, into: weightGradient, scratch: scratch, on: team)
  }
}
