// How well two segmentations agree: the Rand and the information theoretic scores of ISBI 2012.

import Foundation

/// The scores of the ISBI 2012 challenge.
///
/// From Arganda-Carreras et al. 2015, "Crowdsourcing the creation of image segmentation algorithms for
/// connectomics", Frontiers in Neuroanatomy 9:142.
/// With p_ij the share of pixels that are in segment i of the prediction S and in segment j of the
/// truth T, s_i and t_j its sums, and a = 1/2:
///
///     V_Rand = sum p_ij^2 / (a sum s_i^2 + (1 - a) sum t_j^2)
///     V_Info = I(S; T) / (a H(S) + (1 - a) H(T))
///
/// Both are restricted to the foreground: pixels without a true segment do not count. A pixel without
/// a found segment, as those of the border are, is a segment of its own.
package struct SegmentationAgreement: Sendable, Equatable, Codable {
  /// The Rand score, 0...1; 1 minus it is the adapted Rand error.
  package let rand: Double
  /// The information theoretic score, 0...1; 1 where both are one segment.
  package let information: Double

  /// Scores from elsewhere.
  package init(rand: Double, information: Double) {
    self.rand = rand
    self.information = information
  }

  /// The scores of overlapping segments; nil where no pixel has a true segment.
  package init?(_ overlaps: SegmentOverlaps) {
    let pairs = overlaps.pairs.filter { $0.truth != 0 }
    let total = pairs.reduce(0) { $0 + $1.count }
    guard total > 0 else { return nil }
    var found = [Int](repeating: 0, count: overlaps.predictionSizes.count)
    for pair in pairs { found[pair.prediction] += pair.count }
    let single = found[0]
    let both = pairs.filter { $0.prediction != 0 }.map(\.count)
    let truth = overlaps.truthSizes.dropFirst()

    func squares(_ counts: some Sequence<Int>) -> Double {
      Double(counts.reduce(0) { $0 + $1 * $1 })
    }
    let (ones, foundSegments) = (Double(single), found.dropFirst())
    rand =
      (squares(both) + ones) / (0.5 * (squares(foundSegments) + ones) + 0.5 * squares(truth))

    let ofOne = log(Double(total)) / Double(total)
    func entropy(_ counts: some Sequence<Int>) -> Double {
      counts.reduce(0) { sum, count in
        let share = Double(count) / Double(total)
        return count == 0 ? sum : sum - share * log(share)
      }
    }
    let singles = ones * ofOne
    let entropies = (truth: entropy(truth), found: entropy(foundSegments) + singles)
    let mean = 0.5 * (entropies.truth + entropies.found)
    let shared = entropies.truth + entropies.found - entropy(both) - singles
    information = mean > 0 ? min(1, max(0, shared / mean)) : 1
  }
}
