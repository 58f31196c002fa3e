// How many pixels of each class were taken for each class.

/// The confusion matrix of a segmentation: pixels by true class and predicted class.
///
/// All scores follow from it, and since it holds integers, its sum over images and ranks is exact in
/// any order.
package struct ConfusionCounts: Sendable, Equatable {
  /// The true label of a pixel that no metric counts.
  package static let ignoredLabel: UInt8 = 255

  /// The number of classes K.
  package let classes: Int

  /// The K x K counts; pixels of class t taken for class p stand at t * K + p.
  package private(set) var flat: [Int64]

  /// A matrix of zeros.
  ///
  /// - Precondition: `classes` is positive.
  package init(classes: Int) {
    self.init(classes: classes, flat: [Int64](repeating: 0, count: classes * classes))
  }

  /// A matrix from its flat form, such as an all-reduce returns.
  ///
  /// - Precondition: `flat` holds K x K counts, none negative.
  package init(classes: Int, flat: [Int64]) {
    precondition(
      classes > 0 && flat.count == classes * classes, "\(flat.count) counts for \(classes) classes")
    precondition(flat.allSatisfy { $0 >= 0 }, "a negative count in \(flat)")
    self.classes = classes
    self.flat = flat
  }

  /// The pixels of class `truth` that were taken for class `prediction`.
  package subscript(truth truth: Int, prediction prediction: Int) -> Int64 {
    flat[truth * classes + prediction]
  }

  /// All pixels counted.
  package var pixelCount: Int64 { flat.reduce(0, +) }

  /// The pixels whose class was found.
  package var correctCount: Int64 { (0..<classes).reduce(0) { $0 + flat[$1 * classes + $1] } }

  /// The pixels of a class.
  package func pixels(ofClass label: Int) -> Int64 {
    (0..<classes).reduce(0) { $0 + flat[label * classes + $1] }
  }

  /// The pixels that were taken for a class.
  package func pixels(predictedAs label: Int) -> Int64 {
    (0..<classes).reduce(0) { $0 + flat[$1 * classes + label] }
  }

  /// Counts the pixels of two label images, but for those whose true label is ignored.
  ///
  /// - Precondition: the counts agree and each label that is not ignored is below K.
  package mutating func add(truth: [UInt8], prediction: [UInt8]) {
    precondition(
      truth.count == prediction.count, "\(truth.count) true and \(prediction.count) found labels")
    let classes = classes
    truth.withUnsafeBufferPointer { truth in
      prediction.withUnsafeBufferPointer { prediction in
        flat.withUnsafeMutableBufferPointer { flat in
          for (truth, prediction) in zip(truth, prediction) where truth != Self.ignoredLabel {
            // Checked each by itself: a label too large could still give a place in the matrix.
            precondition(
              truth < classes && prediction < classes,
              "labels \(truth) and \(prediction) for \(classes) classes")
            flat[Int(truth) * classes + Int(prediction)] += 1
          }
        }
      }
    }
  }

  /// Adds the counts of another part of the same data.
  ///
  /// - Precondition: both have the same classes.
  package static func += (left: inout ConfusionCounts, right: ConfusionCounts) {
    precondition(left.classes == right.classes, "\(left.classes) and \(right.classes) classes")
    for place in left.flat.indices { left.flat[place] += right.flat[place] }
  }
}
