// The unit of the network: a convolution and all that belongs to it, from its parameters to its passes.

import Kernels
package import Tensors
import Threading

/// A convolution with bias, then normalization, ReLU and dropout where it has them.
///
/// Passes, plan, costs and summary ask here for all that they need of a layer with parameters.
package struct ConvolutionUnit: Sendable {
  /// What the unit multiplies by its weights.
  package enum Operation: Hashable, Sendable {
    /// A square kernel of this side over the input.
    case convolution(kernel: Int)
    /// A 2x2 kernel that doubles rows and columns.
    case upConvolution(Upsampling)
  }

  /// The normalization of a unit's sums, and the places of its parameters.
  package struct NormalizationStage: Sendable {
    /// Channels that share their statistics.
    package let groupSize: Int
    /// What normalized values of each channel are multiplied by.
    package let scale: ParameterSlot
    /// What is added to them then.
    package let shift: ParameterSlot
    /// Running averages of means and variances, which take their place when nothing is trained.
    package let running: RunningStatistics?
  }

  /// The places of running averages, from the first statistic of the layout on.
  package struct RunningStatistics: Sendable {
    package let mean: ParameterSlot
    package let variance: ParameterSlot
  }

  /// Its place in `UNet.layers`.
  package let index: Int
  /// What the names of its parameters begin with.
  package let name: String
  package let operation: Operation
  /// Channels of all sources together.
  package let inputChannels: Int
  package let outputChannels: Int
  package let padding: Padding
  package let appliesReLU: Bool
  /// The probability that a forward pass with dropout zeroes an output; 0 for no dropout.
  package let dropout: Float
  /// Whether it reads the image, whose gradient nobody wants.
  package let readsImage: Bool

  /// The places of its weights and its bias.
  package let weight: ParameterSlot
  package let bias: ParameterSlot
  /// What stands between its sums and its ReLU.
  package let normalization: NormalizationStage?

  /// A unit that reserves `NAME.weight` and `NAME.bias` [out], with a normalization
  /// `NAME.norm.weight` and `NAME.norm.bias` [out], and with one by running averages
  /// `NAME.norm.running_mean` and `NAME.norm.running_var` [out].
  ///
  /// In files weights are [out, in, k, k]; those of a transposed up-convolution [in, out, 2, 2],
  /// and there an output pixel sees one input pixel.
  init(
    _ name: String, index: Int, operation: Operation, inputChannels: Int, outputChannels: Int,
    padding: Padding, appliesReLU: Bool, normalization: Normalization = .none, dropout: Float = 0,
    readsImage: Bool = false, in layout: inout ParameterLayout
  ) {
    self.index = index
    self.name = name
    self.operation = operation
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.padding = padding
    self.appliesReLU = appliesReLU
    self.dropout = dropout
    self.readsImage = readsImage
    switch operation {
    case .convolution(let kernel):
      weight = layout.reserveWeights(
        "\(name).weight", shape: [outputChannels, inputChannels, kernel, kernel],
        order: .convolution, fanIn: inputChannels * kernel * kernel)
    case .upConvolution(.nearest):
      weight = layout.reserveWeights(
        "\(name).weight", shape: [outputChannels, inputChannels, 2, 2], order: .convolution,
        fanIn: inputChannels * 4)
    case .upConvolution(.transposed):
      weight = layout.reserveWeights(
        "\(name).weight", shape: [inputChannels, outputChannels, 2, 2],
        order: .transposedConvolution, fanIn: inputChannels)
    }
    bias = layout.reserveBias("\(name).bias", count: outputChannels)
    guard let groupSize = normalization.groupSize(channels: outputChannels) else {
      self.normalization = nil
      return
    }
    precondition(appliesReLU, "a normalization of \(name), which has no ReLU")
    self.normalization = NormalizationStage(
      groupSize: groupSize,
      scale: layout.reserveScale("\(name).norm.weight", count: outputChannels),
      shift: layout.reserveBias("\(name).norm.bias", count: outputChannels),
      running: normalization == .batch
        ? RunningStatistics(
          mean: layout.reserveStatistic(
            "\(name).norm.running_mean", count: outputChannels, initialValue: 0),
          variance: layout.reserveStatistic(
            "\(name).norm.running_var", count: outputChannels, initialValue: 1)) : nil)
  }
}

// MARK: - Shapes and cost

extension ConvolutionUnit {
  /// Weights and biases, scales, shifts and running averages.
  package var parameterCount: Int {
    weight.count + bias.count
      + (normalization.map {
        $0.scale.count + $0.shift.count
          + ($0.running.map { $0.mean.count + $0.variance.count } ?? 0)
      } ?? 0)
  }

  /// Whether the backward pass computes the output anew from the sums before the normalization, which
  /// its own gradient needs.
  ///
  /// Where values were dropped the output is kept too: such units are small.
  var isNormalizedAnew: Bool { normalization != nil && dropout == 0 }

  /// The extents of its output for an input of these extents.
  package func output(of input: ImageShape) -> ImageShape {
    switch operation {
    case .convolution(let kernel):
      let loss = padding == .valid ? kernel - 1 : 0
      return ImageShape(
        height: input.height - loss, width: input.width - loss, channels: outputChannels)
    case .upConvolution:
      return ImageShape(
        height: 2 * input.height, width: 2 * input.width, channels: outputChannels)
    }
  }

  /// Multiply-adds of a forward pass by the direct algorithm: output pixels x weights; a pixel of a
  /// transposed up-convolution sees one of its four taps.
  package func multiplyAdds(of input: ImageShape) -> Int {
    let pixels = operation == .upConvolution(.transposed) ? input.pixels : output(of: input).pixels
    return pixels * weight.count
  }

  /// Its kernel for an input of these extents, with gradients for `training`.
  func kernel(of input: ImageShape, training: Bool) -> UnitKernel {
    switch operation {
    case .convolution(let kernel):
      .convolution(
        Convolution(
          input: input, outputChannels: outputChannels, kernel: kernel, border: padding.border,
          inputGradient: training && !readsImage, weightGradient: training))
    case .upConvolution(let upsampling):
      .upConvolution(
        UpConvolution(
          input: input, outputChannels: outputChannels,
          kind: upsampling == .nearest ? .nearest(padding.border ?? .zeros) : .transposed,
          gradients: training))
    }
  }
}

extension Padding {
  /// What stands beyond a border that is padded; nil where none is.
  package var border: BorderRule? {
    switch self {
    case .valid: nil
    case .zero: .zeros
    case .mirror: .mirror
    }
  }
}
