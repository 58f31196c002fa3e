// The choice of an algorithm for each convolution, by its predicted cost.

import Tensors

/// How a convolution is computed.
public enum ConvolutionAlgorithm: String, Sendable, CaseIterable {
  /// Gathered patches times the weights: any kernel, any stride.
  case patches
  /// Winograd's F(4x4, 3x3): kernels of 3x3 and stride 1.
  case winograd
  /// Four products for four outputs: a 2x2 kernel behind nearest-neighbour doubling.
  case doubling

  /// The algorithm of lowest predicted cost for a convolution with an output of `height` x `width`.
  ///
  /// Depends on the sizes alone, so it is the same on every rank and for any number of threads.
  static func cheapest(
    kernel: Int, stride: Int, height: Int, width: Int, inputChannels: Int, outputChannels: Int
  ) -> ConvolutionAlgorithm {
    guard kernel == 3 && stride == 1 else { return .patches }
    let direct = patchCost(
      kernel: kernel, height: height, width: width, inputChannels: inputChannels,
      outputChannels: outputChannels)
    let winograd = tileCost(
      WinogradTransform.self, height: height, width: width, inputChannels: inputChannels,
      outputChannels: outputChannels)
    return winograd < direct ? .winograd : .patches
  }

  // Costs are in products of vectors of sixteen, the unit of the machine's floating point.
  // Measured; see docs/engine.md.
  /// What moving a vector once between memory and registers costs.
  private static let move = 1.5
  /// What transforming a vector of one plane costs.
  private static let transform = 4.0

  /// Products of whole vectors, and patches gathered and sums stored.
  private static func patchCost(
    kernel: Int, height: Int, width: Int, inputChannels: Int, outputChannels: Int
  ) -> Double {
    let pixels = Double(height * width)
    let taps = Double(kernel * kernel)
    return pixels * taps * Double(inputChannels) * Double((outputChannels + 15) / 16)
      + move * pixels
      * (taps * Double((inputChannels + 15) / 16) + Double((outputChannels + 15) / 16))
  }

  /// Products of whole vectors in every plane, and all planes written and read.
  private static func tileCost<Transform: TileTransform>(
    _: Transform.Type, height: Int, width: Int, inputChannels: Int, outputChannels: Int
  ) -> Double {
    let extent = Transform.outputExtent
    let tiles = Double(((height + extent - 1) / extent) * ((width + extent - 1) / extent))
    let inputVectors = Double((inputChannels + 15) / 16)
    let outputVectors = Double((outputChannels + 15) / 16)
    let planes = Double(Transform.planes)
    return planes
      * (tiles * Double(inputChannels) * outputVectors
        + transform * tiles * (inputVectors + outputVectors)
        + transform * Double(inputChannels) * outputVectors)
  }
}

/// How one function of a layer is computed.
public struct KernelPlan: Sendable, Equatable {
  /// The algorithm.
  public var algorithm: ConvolutionAlgorithm
  /// How its work is shared out, where there is a choice.
  public var schedule: TileSchedule?
  /// Multiply-adds that it does, whole vectors counted, transforms left out.
  public var multiplyAdds: Int
}

/// How a layer's three functions are computed; nil for a gradient that is never asked for.
public struct LayerPlan: Sendable, Equatable {
  /// From input to output.
  public var forward: KernelPlan
  /// The gradient of the input.
  public var inputGradient: KernelPlan?
  /// The gradient of the weights and of the bias.
  public var weightGradient: KernelPlan?
}

/// A planned convolution of one algorithm.
enum ConvolutionEngine: Sendable {
  case patches(PatchConvolution)
  case tiles(TransformedConvolution<WinogradTransform>)

  init(
    _ algorithm: ConvolutionAlgorithm, rows: AxisMap, columns: AxisMap, kernelHeight: Int,
    kernelWidth: Int, stride: Int = 1, inputChannels: Int, outputChannels: Int
  ) {
    switch algorithm {
    case .patches:
      self = .patches(
        PatchConvolution(
          rows: rows, columns: columns, kernelHeight: kernelHeight, kernelWidth: kernelWidth,
          stride: stride, inputChannels: inputChannels, outputChannels: outputChannels))
    case .winograd:
      precondition(
        kernelHeight == 3 && kernelWidth == 3 && stride == 1,
        "F(4x4, 3x3) for a kernel of \(kernelHeight) x \(kernelWidth), stride \(stride)")
      self = .tiles(
        TransformedConvolution(
          rows: rows, columns: columns, inputChannels: inputChannels,
          outputChannels: outputChannels, outputHeight: rows.count - 2,
          outputWidth: columns.count - 2))
    case .doubling:
      preconditionFailure("doubling belongs to up-convolutions")
    }
  }

  var plan: KernelPlan {
    switch self {
    case .patches(let convolution): convolution.plan
    case .tiles(let convolution): convolution.plan(.winograd)
    }
  }

  /// Scratch memory of the forward pass.
  var scratchSize: ScratchSize {
    switch self {
    case .patches(let convolution): convolution.forwardScratch
    case .tiles(let convolution): convolution.scratchSize
    }
  }
}

/// A planned weight gradient of one algorithm.
enum WeightGradientEngine: Sendable {
  case patches(PatchConvolution)
  case tiles(TransformedWeightGradient<WinogradTransform>)

  init(
    _ algorithm: ConvolutionAlgorithm, rows: AxisMap, columns: AxisMap, kernel: Int, stride: Int,
    inputChannels: Int, outputChannels: Int
  ) {
    switch algorithm {
    case .patches:
      self = .patches(
        PatchConvolution(
          rows: rows, columns: columns, kernelHeight: kernel, kernelWidth: kernel,
          stride: stride, inputChannels: inputChannels, outputChannels: outputChannels))
    case .winograd:
      self = .tiles(
        TransformedWeightGradient(
          rows: rows, columns: columns, inputChannels: inputChannels,
          outputChannels: outputChannels, outputHeight: rows.count - 2,
          outputWidth: columns.count - 2))
    case .doubling:
      preconditionFailure("doubling belongs to up-convolutions")
    }
  }

  var plan: KernelPlan {
    switch self {
    case .patches(let convolution): convolution.plan
    case .tiles(let gradient): gradient.plan(.winograd)
    }
  }

  /// Scratch memory, the sum for the bias included.
  var scratchSize: ScratchSize {
    switch self {
    case .patches(let convolution):
      ScratchSize(
        thread: convolution.threadScratch,
        shared: max(
          convolution.sharedScratch,
          BiasGradient.scratchCount(
            ImageShape(
              height: convolution.outputHeight, width: convolution.outputWidth,
              channels: convolution.outputChannels))))
    case .tiles(let gradient): gradient.scratchSize
    }
  }
}
