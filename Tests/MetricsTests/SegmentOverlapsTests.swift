// Overlaps of segments, by hand.

import Metrics
import Testing

@Suite struct SegmentOverlapsTests {
  @Test func byHand() {
    let truth: [Int32] = [0, 1, 1, 3, 3, 3, 1, 0]
    let prediction: [Int32] = [2, 2, 2, 0, 1, 1, 1, 1]
    let overlaps = SegmentOverlaps(truth: truth, prediction: prediction) { $0 != 7 }
    #expect(overlaps.pairs.map(\.truth) == [0, 1, 1, 3, 3])
    #expect(overlaps.pairs.map(\.prediction) == [2, 1, 2, 0, 1])
    #expect(overlaps.pairs.map(\.count) == [1, 1, 2, 1, 2])
    #expect(overlaps.truthSizes == [1, 3, 0, 3])
    #expect(overlaps.predictionSizes == [1, 3, 3])
    let none = SegmentOverlaps(truth: truth, prediction: prediction) { _ in false }
    #expect(none.pairs.isEmpty && none.truthSizes == [0])
  }
}
