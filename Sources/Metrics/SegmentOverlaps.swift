// How the segments of two segmentations of one image overlap.

/// The contingency table of two segmentations: the pixels that each pair of segments shares.
///
/// It holds integers in a fixed order, so that all that follows from it is the same bits everywhere.
package struct SegmentOverlaps: Sendable, Equatable {
  /// The pixels that a true and a found segment share; 0 is no segment.
  package struct Pair: Sendable, Equatable {
    /// The true segment.
    package let truth: Int
    /// The found segment.
    package let prediction: Int
    /// The pixels in both.
    package let count: Int
  }

  /// The pairs that share a pixel, ascending by true and then by found segment.
  package let pairs: [Pair]
  /// The pixels of each true segment; that of none stands at 0.
  package let truthSizes: [Int]
  /// The pixels of each found segment; that of none stands at 0.
  package let predictionSizes: [Int]

  /// The overlaps of two label images of one size, where `isCounted` is true.
  ///
  /// - Precondition: the counts agree, and labels are not negative.
  package init(truth: [Int32], prediction: [Int32], where isCounted: (_ pixel: Int) -> Bool) {
    precondition(truth.count == prediction.count, "\(truth.count) and \(prediction.count) labels")
    var counts: [UInt64: Int] = [:]
    // Neighbours are mostly equal: one access of the dictionary a run, not one a pixel.
    var (key, run): (UInt64, Int) = (0, 0)
    var (largestTruth, largestPrediction): (Int32, Int32) = (0, 0)
    for pixel in truth.indices where isCounted(pixel) {
      largestTruth = max(largestTruth, truth[pixel])
      largestPrediction = max(largestPrediction, prediction[pixel])
      let pair =
        UInt64(UInt32(bitPattern: truth[pixel])) << 32
        | UInt64(UInt32(bitPattern: prediction[pixel]))
      if pair != key {
        if run > 0 { counts[key, default: 0] += run }
        (key, run) = (pair, 0)
      }
      run += 1
    }
    if run > 0 { counts[key, default: 0] += run }
    var truthSizes = [Int](repeating: 0, count: Int(largestTruth) + 1)
    var predictionSizes = [Int](repeating: 0, count: Int(largestPrediction) + 1)
    pairs = counts.keys.sorted().map { key in
      Pair(
        truth: Int(key >> 32), prediction: Int(key & 0xFFFF_FFFF), count: counts[key, default: 0])
    }
    for pair in pairs {
      truthSizes[pair.truth] += pair.count
      predictionSizes[pair.prediction] += pair.count
    }
    self.truthSizes = truthSizes
    self.predictionSizes = predictionSizes
  }
}
