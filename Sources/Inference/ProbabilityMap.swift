// The probabilities of the classes in every pixel of an image.

/// The probability of each class in each pixel, and the labels that follow from it.
public struct ProbabilityMap: Sendable, Equatable {
  /// Rows.
  public let height: Int
  /// Columns.
  public let width: Int
  /// The number of classes.
  public let classes: Int
  /// The probabilities, height x width x classes.
  public let values: [Float]

  /// A map from its parts.
  ///
  /// - Precondition: the count fits the size, and there are 1 to 256 classes.
  public init(height: Int, width: Int, classes: Int, values: [Float]) {
    precondition(
      values.count == height * width * classes && (1...256).contains(classes),
      "\(values.count) values for \(height) x \(width) x \(classes)")
    self.height = height
    self.width = width
    self.classes = classes
    self.values = values
  }

  /// The most probable class of each pixel, height x width; the first one where several are.
  public var labels: [UInt8] {
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
