// The unit of the network: a convolution and all that belongs to it, from its parameters to its passes.

import Kernels
package import Tensors
import Threading

/// A convolution with bias, then ReLU and dropout where it has them.
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

  /// A unit that reserves `NAME.weight` and `NAME.bias` [out].
  ///
  /// In files weights are [out, in, k, k]; those of a transposed up-convolution [in, out, 2, 2],
  /// and there an output pixel sees one input pixel.
  init(
    _ name: String, index: Int, operation: Operation, inputChannels: Int, outputChannels: Int,
    padding: Padding, appliesReLU: Bool, dropout: Float = 0, readsImage: Bool = false,
    in layout: inout ParameterLayout
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
  }
}

// MARK: - Shapes and cost

extension ConvolutionUnit {
  /// Weights and biases.
  package var parameterCount: Int { weight.count + bias.count }

  /// Whether the backward pass computes the output anew instead of keeping it: the first one of the
  /// network is the largest, and the cheapest since the image has few channels.
  package var isRecomputed: Bool { readsImage }

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

// MARK: - Passes

extension ConvolutionUnit {
  /// output := what the unit makes of `input`, before dropout; overwritten.
  ///
  /// `input` has the extents that `kernel` was planned for, `output` those of its output;
  /// `parameters` is the network's flat buffer.
  func forward(
    _ input: ConvolutionImage, kernel: UnitKernel, parameters: UnsafePointer<Float>,
    into output: TensorView, workspace: ConvolutionWorkspace, on team: ThreadTeam
  ) {
    kernel.forward(
      input, weights: parameters + weight.offset, bias: parameters + bias.offset,
      appliesReLU: appliesReLU, into: output, workspace: workspace, on: team)
  }

  /// Adds the gradients of the unit's parameters to the network's flat buffer `gradients`, calls
  /// `ready` with the offset from which on they are final, then writes the gradient of the input
  /// over the input.
  ///
  /// `outputGradient` is that from before the ReLU. The image's gradient is not computed.
  func backward(
    _ input: ConvolutionImage, outputGradient: TensorView, reluMask: ReLUMask,
    kernel: UnitKernel, parameters: UnsafePointer<Float>,
    gradients: UnsafeMutablePointer<Float>, workspace: ConvolutionWorkspace, on team: ThreadTeam,
    ready: (_ offset: Int) -> Void
  ) {
    kernel.weightGradient(
      input, outputGradient: outputGradient, into: gradients + weight.offset,
      biasGradient: gradients + bias.offset, workspace: workspace, on: team)
    ready(weight.offset)
    guard !readsImage else { return }
    kernel.inputGradient(
      outputGradient, weights: parameters + weight.offset, into: input, reluMask: reluMask,
      workspace: workspace, on: team)
  }
}
