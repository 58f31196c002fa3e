// The division of a data set into training and validation images.

package import Files
import Randomness

/// The ids of the training and of the validation images, each ascending.
package struct DatasetSplit: Sendable, Equatable {
  /// The images to train on.
  package let training: [Int]
  /// The images to validate on.
  package let validation: [Int]

  /// A division by hand.
  init(training: some Sequence<Int>, validation: some Sequence<Int>) {
    self.training = training.sorted()
    self.validation = validation.sorted()
  }

  /// Divides groups at random, by the seed alone.
  ///
  /// About fraction x count images are for validation. Groups come in random order, and each is taken that
  /// brings the number nearer to round(fraction x count), which is at least 1 where the fraction is
  /// positive; where all are too large for that, the smallest. Some group is always left for training, so
  /// that of a single one nothing is for validation.
  ///
  /// - Throws: `FileError` for a fraction outside 0..<1.
  package init(
    _ groups: SampleGroups, validationFraction: Float, seed: UInt64
  ) throws(FileError) {
    guard validationFraction >= 0 && validationFraction < 1 else {
      throw FileError(
        .invalidArgument, path: "--validation-fraction", expected: "a number in 0..<1",
        found: "\(validationFraction)", hint: "0.1 keeps a tenth of the images for validation")
    }
    let count = groups.samples.count
    let wanted = max(1, Int((Double(validationFraction) * Double(count)).rounded()))
    var taken: [Int] = []
    if validationFraction > 0 && groups.members.count > 1 {
      let order = Self.order(groups, seed: seed)
      var groupsLeft = order.count
      for members in order where groupsLeft > 1 {
        guard abs(taken.count + members.count - wanted) < abs(taken.count - wanted) else {
          continue
        }
        taken += members
        groupsLeft -= 1
      }
      if taken.isEmpty { taken = order.min { $0.count < $1.count } ?? [] }
    }
    self.init(complementOf: taken, count: count)
  }

  /// Fold `fold` of `folds`, from 1: its images are for validation, and all others are trained on.
  ///
  /// - Throws: `FileError` where there are fewer groups than folds.
  package init(
    _ groups: SampleGroups, fold: Int, of folds: Int, seed: UInt64
  ) throws(FileError) {
    let parts = try Self.folds(folds, of: groups, seed: seed)
    precondition(parts.indices.contains(fold - 1), "fold \(fold) of \(folds)")
    self.init(complementOf: parts[fold - 1], count: groups.samples.count)
  }

  /// The ids of each of `count` folds, of about as many images each, by the seed alone.
  ///
  /// Groups in random order, the larger ones first, go to the fold that has the fewest images so far.
  ///
  /// - Throws: `FileError` where there are fewer groups than folds.
  package static func folds(
    _ count: Int, of groups: SampleGroups, seed: UInt64
  ) throws(FileError) -> [[Int]] {
    guard groups.members.count >= count else {
      throw FileError(
        .invalidArgument, path: "--folds",
        expected: "at most \(groups.members.count), the groups of the set", found: "\(count)",
        hint: "pages of one file are a group; give --split FILE to divide them by hand")
    }
    // Sorting keeps the order of equals.
    let order = order(groups, seed: seed).sorted { $0.count > $1.count }
    var folds = [[Int]](repeating: [], count: count)
    for members in order {
      let least = folds.indices.min { folds[$0].count < folds[$1].count } ?? 0
      folds[least] += members
    }
    return folds.map { $0.sorted() }
  }

  init(complementOf validation: [Int], count: Int) {
    let chosen = Set(validation)
    self.init(
      training: (0..<count).filter { !chosen.contains($0) }, validation: validation)
  }

  private static func order(_ groups: SampleGroups, seed: UInt64) -> [[Int]] {
    var stream = RandomStream(seed: seed, purpose: .split)
    return stream.permutation(groups.members.count).map { groups.members[$0] }
  }
}
