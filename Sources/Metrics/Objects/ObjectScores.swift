// How many objects were found, and how well.

/// The sums behind the scores of objects, of one image or of several together.
///
/// With J(R, S) = |R and S| / |R or S| of a reference object R and a found object S,
///
/// - SEG, of the Cell Tracking Challenge (Maska et al. 2014, Bioinformatics 30:1609): the mean over
///   reference objects of J with the found object that covers more than half of them, 0 without one;
/// - AP at t, of the Data Science Bowl 2018 (Caicedo et al. 2019, Nature Methods 16:1247) and StarDist:
///   TP / (TP + FP + FN), a pair being found where J > t, for t = .50, .55, ... .90, and their mean;
/// - panoptic quality (Kirillov et al. 2019, CVPR) of the pairs of J > .5: SQ, the mean of their J;
///   RQ = TP / (TP + FP / 2 + FN / 2); PQ = SQ RQ.
///
/// For t of at least a half no object can be in two pairs, so nothing has to be assigned. Whether a pair
/// is found is decided in integers.
package struct ObjectScores: Sendable, Equatable, Codable {
  /// The least J of each AP, in twentieths.
  package static let twentieths = Array(10...18)

  /// The objects of the reference.
  package private(set) var referenceCount = 0
  /// The objects that were found, right or wrong.
  package private(set) var predictedCount = 0
  /// The pairs with J > t for each t.
  package private(set) var matches = [Int](repeating: 0, count: ObjectScores.twentieths.count)
  /// The sum of J over the pairs with J > .5.
  package private(set) var matchedOverlap = 0.0
  /// The sum over reference objects of J with the object that covers more than half of them.
  package private(set) var coveredOverlap = 0.0

  /// The scores of no image.
  package init() {}

  /// The scores of one image.
  ///
  /// `reference` and `prediction` are its objects' numbers, 0 for none, and pixels where `isCounted` is
  /// false belong to no object.
  package init(
    reference: [Int32], prediction: [Int32], where isCounted: (_ pixel: Int) -> Bool
  ) {
    let overlaps = SegmentOverlaps(truth: reference, prediction: prediction, where: isCounted)
    referenceCount = overlaps.truthSizes.dropFirst().reduce(0) { $0 + ($1 > 0 ? 1 : 0) }
    predictedCount = overlaps.predictionSizes.dropFirst().reduce(0) { $0 + ($1 > 0 ? 1 : 0) }
    for pair in overlaps.pairs where pair.truth != 0 && pair.prediction != 0 {
      let (size, found) = (
        overlaps.truthSizes[pair.truth], overlaps.predictionSizes[pair.prediction]
      )
      let union = size + found - pair.count
      let overlap = Double(pair.count) / Double(union)
      if 2 * pair.count > size { coveredOverlap += overlap }
      if 2 * pair.count > union { matchedOverlap += overlap }
      for (index, twentieths) in Self.twentieths.enumerated()
      where 20 * pair.count > twentieths * union {
        matches[index] += 1
      }
    }
  }

  /// Adds the objects of other images; the order of images decides the last bits of the sums.
  package static func += (left: inout ObjectScores, right: ObjectScores) {
    left.referenceCount += right.referenceCount
    left.predictedCount += right.predictedCount
    for index in left.matches.indices { left.matches[index] += right.matches[index] }
    left.matchedOverlap += right.matchedOverlap
    left.coveredOverlap += right.coveredOverlap
  }

  /// SEG; nil without reference objects.
  package var seg: Double? {
    referenceCount == 0 ? nil : coveredOverlap / Double(referenceCount)
  }

  /// The average precision at each t; nil without any object.
  package var averagePrecisions: [Double?] {
    matches.map { found in
      let objects = referenceCount + predictedCount - found
      return objects == 0 ? nil : Double(found) / Double(objects)
    }
  }

  /// The mean of the average precisions; nil without any object.
  package var meanAveragePrecision: Double? {
    let values = averagePrecisions.compactMap(\.self)
    return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }

  /// SQ; nil without a pair.
  package var segmentationQuality: Double? {
    matches[0] == 0 ? nil : matchedOverlap / Double(matches[0])
  }

  /// RQ; nil without any object.
  package var recognitionQuality: Double? {
    let objects = referenceCount + predictedCount
    return objects == 0 ? nil : 2 * Double(matches[0]) / Double(objects)
  }

  /// PQ; nil without any object, 0 without a pair.
  package var panopticQuality: Double? {
    recognitionQuality.map { $0 * (segmentationQuality ?? 0) }
  }
}
