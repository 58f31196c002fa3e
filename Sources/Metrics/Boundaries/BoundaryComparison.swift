// The borders of one image, predicted with every threshold, against the true ones.

import Morphology
import Tensors

/// What one threshold of the probability gives on one image.
package struct ThresholdScores: Sendable, Equatable, Codable {
  /// V_Rand and V_Info of the cells as they are; nil where the truth has no cell.
  package let plain: SegmentationAgreement?
  /// The same with borders that a watershed has thinned to lines.
  package let thinned: SegmentationAgreement?
  /// Interior pixels that were found.
  package let truePositives: Int
  /// Border pixels that were taken for interior.
  package let falsePositives: Int
  /// Interior pixels that were taken for border.
  package let falseNegatives: Int
  /// Pixels at which the truth, warped towards the prediction, still differs.
  package let warpedErrors: Int

  /// Scores from their parts.
  package init(
    plain: SegmentationAgreement?, thinned: SegmentationAgreement?, truePositives: Int,
    falsePositives: Int, falseNegatives: Int, warpedErrors: Int
  ) {
    self.plain = plain
    self.thinned = thinned
    self.truePositives = truePositives
    self.falsePositives = falsePositives
    self.falseNegatives = falseNegatives
    self.warpedErrors = warpedErrors
  }
}

/// The interior and the borders of one image, true and predicted.
///
/// Interior are the pixels of any class but that of the borders; a cell is a 4-connected component of
/// interior. A prediction's interior are the pixels whose probability of it is above a threshold.
package struct BoundaryComparison: Sendable {
  /// The thresholds from .05 to .95 in steps of .05, of which a whole set has the best.
  package static let thresholds: [Float] = (1...19).map { Float($0) / 20 }

  private let width: Int
  private let height: Int
  private let interior: [Float]
  private let isKnown: [Bool]
  private let isInterior: [Bool]
  private let cells: [Int32]

  /// The pixels that are not ignored.
  package let pixelCount: Int

  /// The comparison of an image, height x width.
  ///
  /// - Parameters:
  ///   - truth: the true labels; 255 is ignored.
  ///   - border: the label of the borders.
  ///   - interior: the probability of all other classes together.
  /// - Precondition: the counts fit the size.
  package init(truth: [UInt8], border: UInt8, interior: [Float], width: Int, height: Int) {
    precondition(
      truth.count == width * height && interior.count == truth.count,
      "\(truth.count) labels and \(interior.count) probabilities for \(width) x \(height)")
    self.width = width
    self.height = height
    self.interior = interior
    isKnown = truth.map { $0 != ignoredLabel }
    isInterior = truth.map { $0 != border && $0 != ignoredLabel }
    pixelCount = isKnown.reduce(0) { $0 + ($1 ? 1 : 0) }
    cells =
      ConnectedComponents(
        of: isInterior.map { $0 ? 1 : 0 }, width: width, height: height, connectivity: .four
      ).labels
  }

  /// The scores with a threshold.
  ///
  /// To thin the borders, the cells found are flooded over them from the pixel of the most probable
  /// interior on; where two floods meet a line stays.
  package func scores(threshold: Float) -> ThresholdScores {
    let isFound = interior.map { $0 > threshold }
    let found = ConnectedComponents(
      of: isFound.map { $0 ? 1 : 0 }, width: width, height: height, connectivity: .four
    ).labels
    let thinned = Watershed.segments(
      relief: interior.map { -$0 }, markers: found, width: width, height: height, lines: true)
    func count(_ truth: Bool, _ prediction: Bool) -> Int {
      isKnown.indices.reduce(0) {
        $0 + (isKnown[$1] && isInterior[$1] == truth && isFound[$1] == prediction ? 1 : 0)
      }
    }
    return ThresholdScores(
      plain: agreement(found), thinned: agreement(thinned), truePositives: count(true, true),
      falsePositives: count(false, true), falseNegatives: count(true, false),
      warpedErrors: TopologyWarping.remainingErrors(
        truth: isInterior, interior: interior, threshold: threshold, isKnown: isKnown,
        width: width, height: height))
  }

  private func agreement(_ segments: [Int32]) -> SegmentationAgreement? {
    SegmentationAgreement(
      SegmentOverlaps(truth: cells, prediction: segments) { isKnown[$0] })
  }
}
