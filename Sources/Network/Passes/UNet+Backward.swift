// The backward pass: the forward pass upside down.

import Kernels
package import Tensors
package import Threading

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
    let workspace = activations.workspace

    /// Takes back a unit, given the gradient of its output.
    func takeBack(
      _ unit: ConvolutionUnit, _ input: ConvolutionImage, outputGradient: TensorView,
      reluMask: ReLUMask = .all
    ) {
      if dropped && unit.dropout > 0 {
        Dropout.scaleGradient(outputGradient, probability: unit.dropout, on: team)
      }
      unit.backward(
        input, outputGradient: outputGradient, reluMask: reluMask,
        kernel: activations[unit].kernel, parameters: parameters, gradients: gradients,
        workspace: workspace, on: team, ready: ready)
    }

    takeBack(
      head, ConvolutionImage(activations[up[0].second].output), outputGradient: logitsGradient)

    for (level, stage) in up.enumerated() {
      let upsampled = activations[stage.upConvolution].output
      let first = activations[stage.first].output
      let skip = activations[down[level].second].output.centred(
        height: upsampled.shape.height, width: upsampled.shape.width)
      let below = level == up.count - 1 ? down[level + 1].second : up[level + 1].second
      takeBack(
        stage.second, ConvolutionImage(first), outputGradient: activations[stage.second].output)
      takeBack(
        stage.first, ConvolutionImage(skip, upsampled), outputGradient: first, reluMask: .first)
      takeBack(
        stage.upConvolution, ConvolutionImage(activations[below].output),
        outputGradient: upsampled)
    }

    for (level, stage) in down.enumerated().reversed() {
      let second = activations[stage.second].output
      if let pooling = stage.pooling.map({ activations[$0] }) {
        let skip = activations[up[level].upConvolution].output.shape
        MaxPooling.backward(
          pooling.output, indices: pooling.indices, skip: (skip.height, skip.width),
          into: second, on: team)
      }
      let pooled = level == 0 ? nil : down[level - 1].pooling
      let input = ConvolutionImage(pooled.map { activations[$0].output } ?? image)
      let memory = activations[stage.first]
      if let recomputed = memory.recomputed {
        stage.first.forward(
          input, kernel: memory.kernel, parameters: parameters, into: recomputed,
          workspace: workspace, on: team)
      }
      let first = memory.recomputed ?? memory.output
      takeBack(stage.second, ConvolutionImage(first), outputGradient: second)
      takeBack(stage.first, input, outputGradient: first)
    }
  }
}
