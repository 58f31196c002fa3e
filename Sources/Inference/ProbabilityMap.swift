// The probabilities of the classes in every pixel of an image.

import Glibc

/// The probability of each class in each pixel, and the labels that follow from it.
package struct ProbabilityMap: Sendable, Equatable {
  /// Rows.
  package let height: Int
  /// Columns.
  package let width: Int
  /// The number of classes.
  package let classes: Int
  /// The probabilities, height x width x classes.
  package let values: [Float]

  /// A map from its parts.
  ///
  /// - Precondition: the count fits the size, and there are 1 to 256 classes.
  package init(height: Int, width: Int, classes: Int, values: [Float]) {
    precondition(
      values.count == height * width * classes && (1...256).contains(classes),
      "\(values.count) values for \(height) x \(width) x \(classes)")
    self.height = height
    self.width = width
    self.classes = classes
    self.values = values
  }

  /// The most probable class of each pixel, height x width; the first one where several are.
  package var labels: [UInt8] {
    values.withUnsafeBufferPointer { values in
      (0..<height * width).map { pixel in
        firstLargest(classes) { values[pixel * classes + $0] }
      }
    }
  }

  /// The label of each pixel of two classes, height x width: 1 where its probability is above a threshold; of
  /// nil the most probable class.
  package func labels(above threshold: Float?) -> [UInt8] {
    guard let threshold else { return labels }
    precondition(classes == 2, "a threshold of \(classes) classes")
    return (0..<height * width).map { values[2 * $0 + 1] > threshold ? 1 : 0 }
  }

  /// The predictive entropy of each pixel, height x width, in natural units.
  ///
  /// H = - sum over k of p(k) ln p(k), 0 ln 0 being 0: from 0, where the class is certain, to ln K, where
  /// all K are equally probable.
  package var entropy: [Float] {
    let limit = log(Double(classes))
    return values.withUnsafeBufferPointer { values in
      (0..<height * width).map { pixel in
        var sum = 0.0
        for k in 0..<classes {
          let probability = Double(values[pixel * classes + k])
          // Not "above 0": a NaN is to be seen in the entropy, not taken for certainty.
          if probability != 0 { sum -= probability * log(probability) }
        }
        // Rounding may carry a sum past either end.
        return Float(min(max(sum, 0), limit))
      }
    }
  }
}

/// The label of the largest of `count` values, the first one where several are.
@inline(__always)
func firstLargest(_ count: Int, _ value: (Int) -> Float) -> UInt8 {
  var best = 0
  var largest = value(0)
  for label in 1..<max(count, 1) {
    let candidate = value(label)
    if candidate > largest { (best, largest) = (label, candidate) }
  }
  return UInt8(best)
}
