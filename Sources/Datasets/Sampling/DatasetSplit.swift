// The division of a data set into training and validation images.

package import Files
import Randomness

/// The ids of the training and of the validation images, each ascending.
package struct DatasetSplit: Sendable, Equatable {
  /// The images to train on.
  package let training: [Int]
  /// The images to validate on.
  package let validation: [Int]

  /// Divides the ids 0..<count at random, by the seed alone.
  ///
  /// round(fraction x count) images are for validation, but at least one when the fraction is
  /// positive and there are two images, and never all of them.
  ///
  /// - Throws: `FileError` for a fraction outside 0..<1.
  package init(count: Int, validationFraction: Float, seed: UInt64) throws(FileError) {
    guard validationFraction >= 0 && validationFraction < 1 else {
      throw FileError(
        .invalidArgument, path: "--validation-fraction", expected: "a number in 0..<1",
        found: "\(validationFraction)", hint: "0.1 keeps a tenth of the images for validation")
    }
    let wanted = Int((Double(validationFraction) * Double(count)).rounded())
    let validationCount = validationFraction > 0 && count > 1 ? min(max(wanted, 1), count - 1) : 0
    var stream = RandomStream(seed: seed, purpose: .split)
    let order = stream.permutation(max(0, count))
    validation = order.prefix(validationCount).sorted()
    training = order.dropFirst(validationCount).sorted()
  }
}

extension Dataset {
  /// Divides this set's images; see `DatasetSplit`.
  package func split(
    validationFraction: Float, seed: UInt64
  ) throws(FileError) -> DatasetSplit {
    try DatasetSplit(count: count, validationFraction: validationFraction, seed: seed)
  }
}
