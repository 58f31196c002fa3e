// The backward pass: the forward pass upside down.

import Kernels
import Tensors
import Threading

extension UNet {
  /// Adds the gradients of all parameters, given `activations.logitsGradient`.
  ///
  /// Follows a `forward` of the same image with the same parameters and activations; `dropped`
  /// tells whether that pass had dropout. `gradients` is accumulated, in the order of `layout`.
  ///
  /// `ready` is called with falling offsets: the gradients from this offset up are final. It is
  /// the only thing that distribution needs to know of the network.
  ///
  /// - Precondition: the activations are for training.
  public func backward(
    _ image: TensorView, parameters: UnsafePointer<Float>, activations: UNetActivations,
    gradients: UnsafeMutablePointer<Float>, dropped: Bool, on team: ThreadTeam,
    ready: (_ offset: Int) -> Void
  ) {
    guard let logitsGradient = activations.logitsGradient else {
      preconditionFailure("a backward pass needs activations for training")
    }
    let depth = configuration.depth
    let scratch = activations.scratch

    /// Takes a rectified convolution back; the gradient of its input goes to `inputGradient`.
    func convolveBack(
      _ layer: ConvolutionLayer, _ input: ConvolutionImage, _ memory: UNetActivations.Layer,
      scale: Float = 1, into inputGradient: ConvolutionImage?
    ) {
      guard let gradient = memory.gradient else {
        preconditionFailure("activations for training have all gradients")
      }
      BiasGradient.rectifier(
        output: memory.output, gradient: gradient, scale: scale,
        biasGradient: gradients + layer.bias.offset, scratch: activations.biasScratch, on: team)
      memory.convolution.weightGradient(
        input, outputGradient: gradient, into: gradients + layer.weight.offset, scratch: scratch,
        on: team)
      ready(layer.weight.offset)
      guard let inputGradient else { return }
      memory.convolution.inputGradient(
        gradient, weights: parameters + layer.weight.offset, into: inputGradient,
        scratch: scratch, on: team)
    }

    let top = activations.up[0].second
    BiasGradient.linear(
      gradient: logitsGradient, biasGradient: gradients + head.bias.offset,
      scratch: activations.biasScratch, on: team)
    activations.head.weightGradient(
      ConvolutionImage(top.output), outputGradient: logitsGradient,
      into: gradients + head.weight.offset, scratch: scratch, on: team)
    ready(head.weight.offset)
    if let gradient = top.gradient {
      activations.head.inputGradient(
        logitsGradient, weights: parameters + head.weight.offset,
        into: ConvolutionImage(gradient), scratch: scratch, on: team)
    }

    for level in 0..<depth {
      let memory = activations.up[level]
      let stage = up[level]
      let below =
        level == depth - 1 ? activations.down[depth].second : activations.up[level + 1].second
      guard let upGradient = memory.upGradient, let belowGradient = below.gradient,
        let skipGradient = activations.down[level].pooling?.skipGradient
      else { preconditionFailure("activations for training have all gradients") }
      convolveBack(
        stage.block.second, ConvolutionImage(memory.first.output), memory.second,
        into: memory.first.gradient.map { ConvolutionImage($0) })
      let skip = activations.down[level].second.output.centred(
        height: memory.upOutput.shape.height, width: memory.upOutput.shape.width)
      convolveBack(
        stage.block.first, ConvolutionImage(skip, memory.upOutput), memory.first,
        into: ConvolutionImage(skipGradient, upGradient))
      BiasGradient.linear(
        gradient: upGradient, biasGradient: gradients + stage.upConvolution.bias.offset,
        scratch: activations.biasScratch, on: team)
      memory.upConvolution.weightGradient(
        below.output, outputGradient: upGradient,
        into: gradients + stage.upConvolution.weight.offset, scratch: scratch, on: team)
      ready(stage.upConvolution.weight.offset)
      memory.upConvolution.inputGradient(
        upGradient, weights: parameters + stage.upConvolution.weight.offset,
        into: belowGradient, scratch: scratch, on: team)
    }

    for level in (0...depth).reversed() {
      let memory = activations.down[level]
      if let pooling = memory.pooling, let pooled = pooling.gradient,
        let gradient = memory.second.gradient
      {
        MaxPooling.backward(
          pooled, indices: pooling.indices, skipGradient: pooling.skipGradient, into: gradient,
          on: team)
      }
      let drops = dropped && level >= depth - 1
      convolveBack(
        down[level].second, ConvolutionImage(memory.first.output), memory.second,
        scale: drops ? 1 / (1 - configuration.dropout) : 1,
        into: memory.first.gradient.map { ConvolutionImage($0) })
      let above = level == 0 ? nil : activations.down[level - 1].pooling
      convolveBack(
        down[level].first, ConvolutionImage(above?.output ?? image), memory.first,
        into: above?.gradient.map { ConvolutionImage($0) })
    }
  }
}
