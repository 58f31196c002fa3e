// Bounds of flat buffers, at every place of a vector and behind the last whole one.

import Kernels
import Testing
import Threading

@Suite struct VectorBoundsTests {
  private static func areWithin(_ limit: Float, _ values: [Float], threads: Int = 2) -> Bool {
    let team = ThreadTeam(count: threads)
    return values.withUnsafeBufferPointer { values in
      guard let base = values.baseAddress else { return true }
      return VectorBounds.areWithin(limit, base, count: values.count, on: team)
    }
  }

  @Test func theLimitItselfIsWithin() {
    #expect(Self.areWithin(3, [Float](repeating: 3, count: 40)))
    #expect(Self.areWithin(3, [Float](repeating: -3, count: 40)))
    #expect(Self.areWithin(0, [0, -0]))
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity, 3.0001, -3.0001])
  func oneWrongValueIsSeenAnywhere(_ wrong: Float) {
    for count in [1, 15, 16, 17, 35] {
      for place in 0..<count {
        var values = [Float](repeating: -2.5, count: count)
        #expect(Self.areWithin(3, values))
        values[place] = wrong
        #expect(!Self.areWithin(3, values), "\(wrong) at \(place) of \(count)")
      }
    }
  }

  @Test func everyPieceCounts() {
    for place in [0, 65_535, 65_536, 199_999] {
      var values = [Float](repeating: 1, count: 200_000)
      values[place] = 4
      #expect(!Self.areWithin(3, values))
      #expect(Self.areWithin(4, values))
    }
  }
}
