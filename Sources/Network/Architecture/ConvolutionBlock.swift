// The layers of a U-Net: which parameters each one owns.

import Tensors

/// A convolution with bias: the places of its weights and its bias.
package struct ConvolutionLayer: Sendable {
  package let weight: ParameterSlot
  package let bias: ParameterSlot
  package let inputChannels: Int
  package let outputChannels: Int
  package let kernel: Int

  /// Reserves `NAME.weight` [out, in, k, k] and `NAME.bias` [out].
  package init(
    _ name: String, inputChannels: Int, outputChannels: Int, kernel: Int,
    in layout: inout ParameterLayout
  ) {
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.kernel = kernel
    weight = layout.reserveWeights(
      "\(name).weight", shape: [outputChannels, inputChannels, kernel, kernel],
      order: .convolution, fanIn: inputChannels * kernel * kernel)
    bias = layout.reserveBias("\(name).bias", count: outputChannels)
  }

  /// Reserves the parameters of an up-convolution: those of a 2x2 convolution, or of a transposed
  /// one, whose output pixel sees one input pixel.
  package init(
    up name: String, inputChannels: Int, outputChannels: Int, upsampling: Upsampling,
    in layout: inout ParameterLayout
  ) {
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    kernel = 2
    switch upsampling {
    case .nearest:
      weight = layout.reserveWeights(
        "\(name).weight", shape: [outputChannels, inputChannels, 2, 2], order: .convolution,
        fanIn: inputChannels * 4)
    case .transposed:
      weight = layout.reserveWeights(
        "\(name).weight", shape: [inputChannels, outputChannels, 2, 2],
        order: .transposedConvolution, fanIn: inputChannels)
    }
    bias = layout.reserveBias("\(name).bias", count: outputChannels)
  }
}

/// Two 3x3 convolutions, each with bias and ReLU.
package struct ConvolutionBlock: Sendable {
  package let first: ConvolutionLayer
  package let second: ConvolutionLayer

  /// Reserves `NAME.conv1` and `NAME.conv2`.
  package init(
    _ name: String, inputChannels: Int, outputChannels: Int, in layout: inout ParameterLayout
  ) {
    first = ConvolutionLayer(
      "\(name).conv1", inputChannels: inputChannels, outputChannels: outputChannels, kernel: 3,
      in: &layout)
    second = ConvolutionLayer(
      "\(name).conv2", inputChannels: outputChannels, outputChannels: outputChannels, kernel: 3,
      in: &layout)
  }
}

/// A level of the expansive path: up-convolution, then two convolutions over [skip, up].
package struct UpStage: Sendable {
  package let upConvolution: ConvolutionLayer
  package let block: ConvolutionBlock

  /// Reserves `NAME.upconv`, `NAME.conv1`, `NAME.conv2`; `channels` are those of the skip.
  package init(
    _ name: String, channels: Int, upsampling: Upsampling, in layout: inout ParameterLayout
  ) {
    upConvolution = ConvolutionLayer(
      up: "\(name).upconv", inputChannels: 2 * channels, outputChannels: channels,
      upsampling: upsampling, in: &layout)
    block = ConvolutionBlock(
      name, inputChannels: 2 * channels, outputChannels: channels, in: &layout)
  }
}
