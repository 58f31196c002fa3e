// The forward pass: from an image to the scores of its classes.

import Kernels
import Tensors
import Threading

extension UNet {
  /// Runs the network; the scores are in `activations.logits`.
  ///
  /// `image` has the extents of `activations.input`; `parameters` is a flat buffer in the order of
  /// `layout`. With `dropout`, values are dropped at the end of the contracting path; without, the
  /// result is a function of the image and the parameters alone.
  package func forward(
    _ image: TensorView, parameters: UnsafePointer<Float>, activations: UNetActivations,
    dropout: DropoutKey? = nil, on team: ThreadTeam
  ) {
    precondition(
      image.shape == activations.input, "an image of \(image.shape) for \(activations.input)")
    let depth = configuration.depth
    let workspace = activations.workspace

    func convolve(
      _ layer: ConvolutionLayer, _ input: ConvolutionImage, _ memory: UNetActivations.Layer
    ) {
      memory.convolution.forward(
        input, weights: parameters + layer.weight.offset, bias: parameters + layer.bias.offset,
        appliesReLU: true, into: memory.output, workspace: workspace, on: team)
    }

    var features = image
    var firstBlock = 0
    for level in 0...depth {
      let memory = activations.down[level]
      convolve(down[level].first, ConvolutionImage(features), memory.first)
      convolve(down[level].second, ConvolutionImage(memory.first.output), memory.second)
      features = memory.second.output
      if let dropout, level >= depth - 1, configuration.dropout > 0 {
        firstBlock = Dropout.apply(
          features, probability: configuration.dropout, stream: dropout.stream,
          firstBlock: firstBlock, on: team)
      }
      if let pooling = memory.pooling {
        MaxPooling.forward(features, into: pooling.output, indices: pooling.indices, on: team)
        features = pooling.output
      }
    }

    for level in (0..<depth).reversed() {
      let memory = activations.up[level]
      let upConvolution = up[level].upConvolution
      memory.upConvolution.forward(
        features, weights: parameters + upConvolution.weight.offset,
        bias: parameters + upConvolution.bias.offset, into: memory.upOutput, workspace: workspace,
        on: team)
      let skip = activations.down[level].second.output.centred(
        height: memory.upOutput.shape.height, width: memory.upOutput.shape.width)
      convolve(up[level].block.first, ConvolutionImage(skip, memory.upOutput), memory.first)
      convolve(up[level].block.second, ConvolutionImage(memory.first.output), memory.second)
      features = memory.second.output
    }

    activations.head.forward(
      ConvolutionImage(features), weights: parameters + head.weight.offset,
      bias: parameters + head.bias.offset, appliesReLU: false, into: activations.logits,
      workspace: workspace, on: team)
  }
}
