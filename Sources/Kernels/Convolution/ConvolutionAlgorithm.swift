// The choice of an algorithm for each convolution, by its predicted cost.

import Tensors

/// How a convolution is computed.
package enum ConvolutionAlgorithm: String, Sendable, CaseIterable {
  /// Gathered patches times the weights: any kernel, any stride.
  case im2col = "patches"
  /// The taps over lines of the image as they lie: stride 1, a few input channels.
  case implicitGEMM = "direct"
  /// Winograd's F(4x4, 3x3): kernels of 3x3 and stride 1.
  case winograd
  /// Four products for four outputs: a 2x2 kernel behind nearest-neighbour upsampling.
  case upsampling = "doubling"

  /// What a convolution computes, as far as its cost goes.
  enum Function {
    /// An output, or the gradient of an input.
    case image
    /// The gradient of the weights.
    case weights
  }

  /// The algorithm of lowest predicted cost for a convolution with an output of `height` x `width`.
  ///
  /// Depends on the sizes alone, so it is the same on every rank and for any number of threads.
  static func cheapest(
    _ function: Function, kernel: Int, stride: Int, height: Int, width: Int, inputChannels: Int,
    outputChannels: Int
  ) -> ConvolutionAlgorithm {
    guard kernel == 3 && stride == 1 else { return .im2col }
    guard inputChannels > imageChannels else { return .implicitGEMM }
    let sizes = Sizes(
      pixels: Double(height * width),
      tiles: Double(
        TileGrid(height: height, width: width, extent: WinogradTransform.outputExtent).count),
      inputChannels: Double(inputChannels), inputVectors: Double((inputChannels + 15) / 16),
      outputVectors: Double((outputChannels + 15) / 16))
    return winogradCost(function, sizes) < patchCost(sizes) ? .winograd : .im2col
  }

  /// The sizes of a 3x3 convolution, with channels in vectors of sixteen.
  private struct Sizes {
    let pixels: Double
    let tiles: Double
    let inputChannels: Double
    let inputVectors: Double
    let outputVectors: Double

    /// Vectors of weights a tap.
    var weights: Double { inputChannels * outputVectors }
  }

  /// Input channels up to which lines as they lie are always best: those of a grey or a colour image.
  private static let imageChannels = 3

  // Costs are in products of two vectors, of which these processors do two a cycle.
  // Measured choices; see docs/engine.md.
  /// A vector of a patch gathered, or of an output stored.
  private static let gather = 3.0
  /// A vector of weights brought from memory.
  private static let load = 30.0
  /// A vector of one plane of a tile transformed.
  private static let transform = 5.0
  /// A vector of one plane of the weights transformed, or of their gradient transformed back.
  private static let weightTransform = 8.0
  private static let gradientTransform = 12.0

  /// Products, patches gathered and outputs stored, weights brought.
  private static func patchCost(_ sizes: Sizes) -> Double {
    let taps = 9.0
    return sizes.pixels * taps * sizes.weights
      + gather * sizes.pixels * (taps * sizes.inputVectors + sizes.outputVectors)
      + load * taps * sizes.weights
  }

  /// Products in every plane, tiles transformed and transformed back, weights brought and
  /// transformed.
  private static func winogradCost(_ function: Function, _ sizes: Sizes) -> Double {
    let planes = Double(WinogradTransform.planes)
    return planes * sizes.tiles * sizes.weights
      + transform * planes * sizes.tiles * (sizes.inputVectors + sizes.outputVectors)
      + load * 9 * sizes.weights
      + (function == .image ? weightTransform : gradientTransform) * planes * sizes.weights
  }
}

/// How one function of a layer is computed.
package struct KernelPlan: Sendable, Equatable {
  /// The algorithm.
  package var algorithm: ConvolutionAlgorithm
  /// How its work is shared out, where there is a choice.
  package var schedule: TileSchedule?
  /// Multiply-adds that it does, whole vectors counted, transforms left out.
  package var multiplyAdds: Int
}

/// How a layer's three functions are computed; nil for a gradient that is never asked for.
package struct LayerPlan: Sendable, Equatable {
  /// From input to output.
  package var forward: KernelPlan
  /// The gradient of the input.
  package var inputGradient: KernelPlan?
  /// The gradient of the weights and of the bias.
  package var weightGradient: KernelPlan?
}

/// A planned convolution of one algorithm.
enum ConvolutionEngine: Sendable {
  case im2col(Im2colConvolution)
  case implicitGEMM(ImplicitGEMMConvolution)
  case tiles(TransformedConvolution<WinogradTransform>)

  init(
    _ algorithm: ConvolutionAlgorithm, rows: AxisIndexMap, columns: AxisIndexMap, kernelHeight: Int,
    kernelWidth: Int, stride: Int = 1, inputChannels: Int, outputChannels: Int
  ) {
    switch algorithm {
    case .im2col:
      self = .im2col(
        Im2colConvolution(
          rows: rows, columns: columns, kernelHeight: kernelHeight, kernelWidth: kernelWidth,
          stride: stride, inputChannels: inputChannels, outputChannels: outputChannels))
    case .implicitGEMM:
      precondition(stride == 1, "a direct convolution of stride \(stride)")
      self = .implicitGEMM(
        ImplicitGEMMConvolution(
          rows: rows, columns: columns, kernelHeight: kernelHeight, kernelWidth: kernelWidth,
          inputChannels: inputChannels, outputChannels: outputChannels))
    case .winograd:
      precondition(
        kernelHeight == 3 && kernelWidth == 3 && stride == 1,
        "F(4x4, 3x3) for a kernel of \(kernelHeight) x \(kernelWidth), stride \(stride)")
      self = .tiles(
        TransformedConvolution(
          rows: rows, columns: columns, inputChannels: inputChannels,
          outputChannels: outputChannels, outputHeight: rows.count - 2,
          outputWidth: columns.count - 2))
    case .upsampling:
      preconditionFailure("upsampling belongs to up-convolutions")
    }
  }

  var plan: KernelPlan {
    switch self {
    case .im2col(let convolution): convolution.plan
    case .implicitGEMM(let convolution): convolution.plan
    case .tiles(let convolution): convolution.plan(.winograd)
    }
  }

  /// Workspace of the forward pass.
  var workspaceSize: WorkspaceSize {
    switch self {
    case .im2col(let convolution): convolution.forwardWorkspace
    case .implicitGEMM(let convolution): convolution.forwardWorkspace
    case .tiles(let convolution): convolution.workspaceSize
    }
  }
}

/// A planned weight gradient of one algorithm.
enum WeightGradientEngine: Sendable {
  case im2col(Im2colConvolution)
  case implicitGEMM(ImplicitGEMMConvolution)
  case tiles(TransformedWeightGradient<WinogradTransform>)

  init(
    _ algorithm: ConvolutionAlgorithm, rows: AxisIndexMap, columns: AxisIndexMap, kernel: Int,
    stride: Int,
    inputChannels: Int, outputChannels: Int
  ) {
    switch algorithm {
    case .im2col:
      self = .im2col(
        Im2colConvolution(
          rows: rows, columns: columns, kernelHeight: kernel, kernelWidth: kernel,
          stride: stride, inputChannels: inputChannels, outputChannels: outputChannels))
    case .implicitGEMM:
      precondition(stride == 1, "a direct convolution of stride \(stride)")
      self = .implicitGEMM(
        ImplicitGEMMConvolution(
          rows: rows, columns: columns, kernelHeight: kernel, kernelWidth: kernel,
          inputChannels: inputChannels, outputChannels: outputChannels))
    case .winograd:
      self = .tiles(
        TransformedWeightGradient(
          rows: rows, columns: columns, inputChannels: inputChannels,
          outputChannels: outputChannels, outputHeight: rows.count - 2,
          outputWidth: columns.count - 2))
    case .upsampling:
      preconditionFailure("upsampling belongs to up-convolutions")
    }
  }

  var plan: KernelPlan {
    switch self {
    case .im2col(let convolution): convolution.plan
    case .implicitGEMM(let convolution): convolution.plan
    case .tiles(let gradient): gradient.plan(.winograd)
    }
  }

  /// Workspace, the sum for the bias included.
  var workspaceSize: WorkspaceSize {
    switch self {
    case .im2col(let convolution):
      WorkspaceSize(
        thread: convolution.threadWorkspace,
        shared: max(
          convolution.sharedWorkspace,
          BiasGradient.workspaceCount(
            ImageShape(
              height: convolution.outputHeight, width: convolution.outputWidth,
              channels: convolution.outputChannels))))
    case .implicitGEMM(let convolution): convolution.gradientWorkspace
    case .tiles(let gradient): gradient.workspaceSize
    }
  }
}
