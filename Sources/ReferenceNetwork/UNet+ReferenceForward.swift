// The forward pass once more, in Double and by plain loops: what the fast one is measured against.

package import Network
package import Tensors
package import Threading

extension UNet {
  /// The scores that the network would give if its arithmetic were exact, but for Double's rounding.
  ///
  /// It shares nothing with `forward` but the places of the parameters: images are padded, doubled
  /// and joined in memory, and a convolution is the sum of its definition. `image` has legal extents;
  /// `parameters` is a flat buffer in the order of `layout`. There is no dropout.
  ///
  /// - Returns: rows x columns x classes of the output.
  /// - Complexity: the multiply-adds of the direct algorithm, in Double; 8 bytes for each value of
  ///   the skips and of a few more images.
  package func referenceLogits(
    of image: TensorView, parameters: UnsafePointer<Float>, on team: ThreadTeam
  ) -> [Double] {
    func convolve(_ unit: ConvolutionUnit, _ image: DoubleImage) -> DoubleImage {
      switch unit.operation {
      case .convolution(let kernel):
        let padded = unit.padding.border.map {
          image.padded(before: (kernel - 1) / 2, after: kernel / 2, $0)
        }
        return (padded ?? image).convolved(unit, kernel: kernel, parameters, on: team)
      case .upConvolution(.nearest):
        return image.doubled().padded(before: 0, after: 1, unit.padding.border ?? .zeros)
          .convolved(unit, kernel: 2, parameters, on: team)
      case .upConvolution(.transposed):
        // Output pixel (2 y + i, 2 x + j) is input pixel (y, x) by the weights of tap (i, j).
        return DoubleImage(
          phases: (0..<4).map { image.convolved(unit, kernel: 1, tap: $0, parameters, on: team) })
      }
    }

    // An output is let go once the last layer that reads it has done so.
    let lastReaders = layers.enumerated().reduce(into: [Int: Int]()) { readers, layer in
      for source in layer.element.sources { readers[source] = layer.offset }
    }
    var outputs = [DoubleImage?](repeating: nil, count: layers.count)
    var features = DoubleImage(image)
    for (index, layer) in layers.enumerated() {
      let sources = layer.sources.compactMap { outputs[$0] }
      features =
        sources.count == 2 ? sources[0].centreJoined(to: sources[1]) : sources.first ?? features
      for source in layer.sources where lastReaders[source] == index { outputs[source] = nil }
      switch layer.operation {
      case .unit(let unit):
        features = convolve(unit, features)
        features.normalize(
          unit, parameters, statistics: parameters + layout.trainedCount)
      case .pooling: features = features.pooled()
      }
      outputs[index] = features
    }
    return features.values
  }
}

/// How far scores in Float are from the same in Double.
///
/// With the errors e of all classes of all pixels, and the root mean square R of the exact scores:
/// R is the scale of the scores, so that a score near zero does not make an error look large.
package struct ScoreError: Sendable, Equatable {
  /// The largest error relative to the scale of the scores, max |e| / R.
  package let largest: Double
  /// The root mean square of the errors relative to that of the scores, sqrt(mean e^2) / R.
  package let rootMeanSquare: Double

  /// The error of `scores`, whose exact values are `reference`, rows x columns x classes.
  ///
  /// - Precondition: as many values, and at least one.
  package init(of scores: TensorView, reference: [Double]) {
    let shape = scores.shape
    precondition(
      reference.count == shape.count && !reference.isEmpty,
      "\(reference.count) values for scores of \(shape)")
    let rowCount = shape.width * shape.channels
    var (largest, squares, referenceSquares) = (0.0, 0.0, 0.0)
    for y in 0..<shape.height {
      for x in 0..<shape.width {
        for k in 0..<shape.channels {
          let exact = reference[y * rowCount + x * shape.channels + k]
          let error = abs(Double(scores.pixel(y, x)[k]) - exact)
          // Not max(): a NaN is to be seen.
          if !(error <= largest) { largest = error }
          squares += error * error
          referenceSquares += exact * exact
        }
      }
    }
    let scale = (referenceSquares / Double(reference.count)).squareRoot()
    self.largest = largest / scale
    rootMeanSquare = (squares / Double(reference.count)).squareRoot() / scale
  }
}
