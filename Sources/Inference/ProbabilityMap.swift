// The probabilities of the classes in every pixel of an image.

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
