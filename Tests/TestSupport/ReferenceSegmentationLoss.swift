// The oracle for the pixel-wise softmax and the weighted cross-entropy.

import Glibc

/// Cross-entropy of the softmax at every pixel, weighted by the class of the pixel's label.
///
///     loss = sum over pixels of weight(label) * -log(softmax(logits)(label)) / divisor
///
/// The divisor is given (global batch x output pixels), so it is not the sum of the weights, which
/// PyTorch's `mean` divides by.
package struct ReferenceSegmentationLoss: Sendable {
  /// The weight of each class.
  package var classWeights: [Float]
  /// What the sum is divided by.
  package var divisor: Double

  /// A loss; as many classes as weights.
  package init(classWeights: [Float], divisor: Double) {
    self.classWeights = classWeights
    self.divisor = divisor
  }

  /// The probabilities of the classes at every pixel, in Double.
  package static func softmax(_ logits: ReferenceImage) -> [Double] {
    let classes = logits.channels
    var result: [Double] = []
    for pixel in 0..<logits.height * logits.width {
      let row = logits.values[pixel * classes..<(pixel + 1) * classes].map { Double($0) }
      let largest = row.max() ?? 0
      let powers = row.map { exp($0 - largest) }
      let sum = powers.reduce(0, +)
      result += powers.map { $0 / sum }
    }
    return result
  }

  /// The loss of `logits` for one label a pixel.
  package func loss(logits: ReferenceImage, labels: [Int]) -> Double {
    let classes = logits.channels
    var total = 0.0
    for (pixel, label) in labels.enumerated() {
      let row = logits.values[pixel * classes..<(pixel + 1) * classes].map { Double($0) }
      let largest = row.max() ?? 0
      let logSum = largest + log(row.reduce(0) { $0 + exp($1 - largest) })
      total += Double(classWeights[label]) * (logSum - row[label])
    }
    return total / divisor
  }

  /// The gradient with respect to the logits: weight(label) * (softmax - one-hot) / divisor.
  package func logitsGradient(logits: ReferenceImage, labels: [Int]) -> ReferenceImage {
    var gradient = Self.softmax(logits)
    for (pixel, label) in labels.enumerated() {
      let first = pixel * logits.channels
      gradient[first + label] -= 1
      for place in first..<first + logits.channels {
        gradient[place] *= Double(classWeights[label]) / divisor
      }
    }
    return ReferenceImage(
      height: logits.height, width: logits.width, channels: logits.channels, sums: gradient)
  }
}
