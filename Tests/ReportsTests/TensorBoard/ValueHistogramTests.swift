// How values are counted for histograms.

import Reports
import Testing

@Suite struct ValueHistogramTests {
  private func histogram(_ values: [Float]) -> ValueHistogram {
    values.withUnsafeBufferPointer { ValueHistogram($0) }
  }

  /// Values 1 to 40 times a fortieth: one in each range, as a range has its upper end.
  @Test func eachRangeHasItsUpperEnd() {
    let histogram = histogram([0] + (1...40).map { Float($0) })
    #expect(histogram.limits == (1...40).map(Double.init))
    #expect(histogram.counts == [2] + [Int](repeating: 1, count: 39))
    #expect(histogram.sum == 820 && histogram.sumOfSquares == 22_140)
  }

  @Test func equalValuesAreOneRange() {
    let histogram = histogram([0.25, 0.25, 0.25])
    #expect(histogram.limits == [0.25] && histogram.counts == [3])
  }

  @Test func whatIsNotFiniteDoesNotCount() {
    #expect(histogram([.nan, .infinity]) == histogram([]))
    #expect(histogram([1, .nan, 2]).count == 2)
  }
}
