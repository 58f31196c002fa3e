// The forward pass: from an image to the scores of its classes.

import Kernels
package import Tensors
package import Threading

extension UNet {
  /// Runs the network; the scores are in `activations.logits`.
  ///
  /// `image` has the extents of `activations.input`; `parameters` is a flat buffer in the order of
  /// `layout`. With `dropout`, values are dropped at the end of the contracting path; without, the
  /// result is a function of the image and the parameters alone. `statistics` tells what batch
  /// normalization takes.
  package func forward(
    _ image: TensorView, parameters: UnsafePointer<Float>, activations: UNetActivations,
    dropout: DropoutKey? = nil, statistics: StatisticsSource = .running, on team: ThreadTeam
  ) {
    precondition(
      image.shape == activations.input, "an image of \(image.shape) for \(activations.input)")
    var firstBlock = 0
    let running = statistics == .running ? parameters + layout.trainedCount : nil

    /// Runs a unit; its output.
    func apply(_ unit: ConvolutionUnit, _ input: ConvolutionImage) -> TensorView {
      let memory = activations[unit]
      team.begin("forward \(unit.name)")
      unit.forward(
        input, memory: memory, parameters: parameters, running: running, on: team)
      let output = memory.forward.output
      if let dropout, unit.dropout > 0 {
        firstBlock = Dropout.apply(
          output, probability: unit.dropout, stream: dropout.stream, firstBlock: firstBlock,
          on: team)
      }
      return output
    }

    var features = image
    for stage in down {
      let first = apply(stage.first, ConvolutionImage(features))
      features = apply(stage.second, ConvolutionImage(first))
      if let pooling = stage.pooling.map({ activations[$0] }) {
        MaxPooling.forward(
          features, into: pooling.output, indices: pooling.indices,
          skip: activations[stage.second].skip?.forward, on: team)
        features = pooling.output
      }
    }

    for (level, stage) in up.enumerated().reversed() {
      let upsampled = apply(stage.upConvolution, ConvolutionImage(features))
      let crossing = activations[down[level].second]
      let skip =
        crossing.skip?.forward
        ?? crossing.forward.output.centred(
          height: upsampled.shape.height, width: upsampled.shape.width)
      let first = apply(stage.first, ConvolutionImage(skip, upsampled))
      features = apply(stage.second, ConvolutionImage(first))
    }

    _ = apply(head, ConvolutionImage(features))
  }
}

/// Where a batch normalization takes means and variances from; others always take the sample's.
package enum StatisticsSource: Sendable {
  /// The running averages.
  case running
  /// The sample itself, as training does.
  case sample
}
