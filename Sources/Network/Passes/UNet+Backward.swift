// The backward pass: the forward pass upside down.

import Kernels
import Tensors
import Threading

extension UNet {
  /// Adds the gradients of all parameters, given `activations.logitsGradient`.
  ///
  /// Follows a `forward` of the same image with the same parameters and activations; `dropped`
  /// tells whether that pass had dropout. Each activation is read for the last time by the weight
  /// gradient of the convolution that took it in; then its own gradient, from before the ReLU
  /// where it came out of one, takes its place. The first convolution's output, the largest and the
  /// cheapest, was not kept and is computed anew. `gradients` is accumulated, in the order of `layout`.
  ///
  /// `ready` is called with falling offsets: the gradients from this offset up are final. It is
  /// the only thing that distribution needs to know of the network.
  ///
  /// - Precondition: the activations are for training.
  package func backward(
    _ image: TensorView, parameters: UnsafePointer<Float>, activations: UNetActivations,
    gradients: UnsafeMutablePointer<Float>, dropped: Bool, on team: ThreadTeam,
    ready: (_ offset: Int) -> Void
  ) {
    guard let logitsGradient = activations.logitsGradient else {
      preconditionFailure("a backward pass needs activations for training")
    }
    let depth = configuration.depth
    let workspace = activations.workspace

    /// The backward pass of a convolution: the gradients of its parameters, then, where asked for,
    /// that of its input, written over the input.
    func convolveBackward(
      _ layer: ConvolutionLayer, _ convolution: Convolution, _ input: ConvolutionImage,
      outputGradient: TensorView, reluMask: ReLUMask?
    ) {
      convolution.weightGradient(
        input, outputGradient: outputGradient, into: gradients + layer.weight.offset,
        biasGradient: gradients + layer.bias.offset, workspace: workspace, on: team)
      ready(layer.weight.offset)
      guard let reluMask else { return }
      convolution.inputGradient(
        outputGradient, weights: parameters + layer.weight.offset, into: input,
        reluMask: reluMask, workspace: workspace, on: team)
    }

    convolveBackward(
      head, activations.head, ConvolutionImage(activations.up[0].second.output),
      outputGradient: logitsGradient, reluMask: .all)

    for level in 0..<depth {
      let memory = activations.up[level]
      let stage = up[level]
      convolveBackward(
        stage.block.second, memory.second.convolution, ConvolutionImage(memory.first.output),
        outputGradient: memory.second.output, reluMask: .all)
      let skip = activations.down[level].second.output.centred(
        height: memory.upOutput.shape.height, width: memory.upOutput.shape.width)
      convolveBackward(
        stage.block.first, memory.first.convolution, ConvolutionImage(skip, memory.upOutput),
        outputGradient: memory.first.output, reluMask: .first)
      let below =
        level == depth - 1 ? activations.down[depth].second : activations.up[level + 1].second
      memory.upConvolution.weightGradient(
        below.output, outputGradient: memory.upOutput,
        into: gradients + stage.upConvolution.weight.offset,
        biasGradient: gradients + stage.upConvolution.bias.offset, workspace: workspace, on: team)
      ready(stage.upConvolution.weight.offset)
      memory.upConvolution.inputGradient(
        memory.upOutput, weights: parameters + stage.upConvolution.weight.offset,
        into: below.output, reluMask: true, workspace: workspace, on: team)
    }

    for level in (0...depth).reversed() {
      let memory = activations.down[level]
      let gradient = memory.second.output
      if let pooling = memory.pooling {
        let skip = activations.up[level].upOutput.shape
        MaxPooling.backward(
          pooling.output, indices: pooling.indices, skip: (skip.height, skip.width),
          into: gradient, on: team)
      }
      if dropped && level >= depth - 1 && configuration.dropout > 0 {
        Dropout.scaleGradient(gradient, probability: configuration.dropout, on: team)
      }
      let above = level == 0 ? nil : activations.down[level - 1].pooling
      let input = ConvolutionImage(above?.output ?? image)
      if let output = memory.recomputedFirst {
        memory.first.convolution.forward(
          input, weights: parameters + down[level].first.weight.offset,
          bias: parameters + down[level].first.bias.offset, appliesReLU: true, into: output,
          workspace: workspace, on: team)
      }
      let first = memory.recomputedFirst ?? memory.first.output
      convolveBackward(
        down[level].second, memory.second.convolution, ConvolutionImage(first),
        outputGradient: gradient, reluMask: .all)
      convolveBackward(
        down[level].first, memory.first.convolution, input, outputGradient: first,
        reluMask: above == nil ? nil : .all)
    }
  }
}
