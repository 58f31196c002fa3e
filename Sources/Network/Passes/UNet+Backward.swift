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
  /// where it came out of one, takes its place. What was not kept of an activation is computed anew
  /// before it is read: the first convolution, the largest and the cheapest, and what came out of
  /// normalizations. `gradients` is accumulated, in the order of `layout`.
  ///
  /// Where running averages stand it receives `sampleShare` times the statistics of the sample, which
  /// summed over the samples of a batch make their mean.
  ///
  /// `ready` is called with falling offsets: the gradients from this offset up are final. It is
  /// the only thing that distribution needs to know of the network.
  ///
  /// - Precondition: the activations are for training.
  package func backward(
    _ image: TensorView, parameters: UnsafePointer<Float>, activations: UNetActivations,
    gradients: UnsafeMutablePointer<Float>, dropped: Bool, sampleShare: Float = 1,
    on team: ThreadTeam, ready: (_ offset: Int) -> Void
  ) {
    precondition(activations.logitsGradient != nil, "a backward pass in memory for inference")
    activations.computedAgain.update(repeating: false)

    /// The output of a unit, where it was not kept computed anew, once: all of it or its centre.
    func again(_ unit: ConvolutionUnit, centred part: ImageShape? = nil) -> TensorView {
      let memory = activations[unit]
      let places = part.map { memory.backwardCentre($0) } ?? memory.backward
      guard !activations.computedAgain[unit.index] else { return places.output }
      activations.computedAgain[unit.index] = true
      let input = activations.recomputed.contains(unit.index) ? inputAgain(unit) : nil
      team.begin("backward \(unit.name)")
      unit.recompute(from: input, places, memory: memory, parameters: parameters, on: team)
      return places.output
    }

    /// What a unit reads: the image, pooled features, a unit's output, or a skip beside one.
    func inputAgain(_ unit: ConvolutionUnit) -> ConvolutionImage {
      let sources = layers[unit.index].sources
      guard let last = sources.last else { return ConvolutionImage(image) }
      switch layers[last].operation {
      case .pooling(let pooling): return ConvolutionImage(activations[pooling].output)
      case .unit(let source):
        let upsampled = again(source)
        guard case .unit(let skip) = layers[sources[0]].operation, sources.count == 2 else {
          return ConvolutionImage(upsampled)
        }
        return ConvolutionImage(again(skip, centred: upsampled.shape), upsampled)
      }
    }

    /// Takes back a unit whose output's gradient is in its place. `input` may take the memory of that
    /// place, so it is made once the normalization has read it.
    func takeBack(
      _ unit: ConvolutionUnit, _ input: @autoclosure () -> ConvolutionImage,
      reluMask: ReLUMask = .all
    ) {
      let memory = activations[unit]
      if dropped && unit.dropout > 0 {
        Dropout.scaleGradient(memory.backward.output, probability: unit.dropout, on: team)
      }
      unit.takeBackNormalization(
        memory, parameters: parameters, gradients: gradients, on: team)
      let input = input()
      team.begin("backward \(unit.name)")
      unit.takeBackConvolution(
        input, memory: memory, reluMask: reluMask, parameters: parameters, gradients: gradients,
        on: team, ready: ready)
    }

    for layer in layers {
      guard case .unit(let unit) = layer.operation else { continue }
      unit.addStatistics(
        activations[unit], share: sampleShare, to: gradients + layout.trainedCount)
    }

    takeBack(head, ConvolutionImage(again(up[0].second)))

    for (level, stage) in up.enumerated() {
      let upsampled = activations[stage.upConvolution].backward.output
      let below = level == up.count - 1 ? down[level + 1].second : up[level + 1].second
      takeBack(stage.second, ConvolutionImage(again(stage.first)))
      takeBack(
        stage.first,
        ConvolutionImage(again(down[level].second, centred: upsampled.shape), upsampled),
        reluMask: .first)
      takeBack(stage.upConvolution, ConvolutionImage(again(below)))
    }

    for (level, stage) in down.enumerated().reversed() {
      if let pooling = stage.pooling.map({ activations[$0] }) {
        let crossing = activations[stage.second]
        let part = activations[up[level].upConvolution].backward.output.shape
        MaxPooling.backward(
          pooling.output, indices: pooling.indices,
          skipGradient: crossing.backwardCentre(part).output, into: crossing.backward.output,
          on: team)
      }
      let pooled = level == 0 ? nil : down[level - 1].pooling
      let input = ConvolutionImage(pooled.map { activations[$0].output } ?? image)
      takeBack(stage.second, ConvolutionImage(again(stage.first)))
      takeBack(stage.first, input)
    }
  }
}
