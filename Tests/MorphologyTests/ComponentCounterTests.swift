// Components counted row by row: as many as of the whole image.

import Morphology
import Testing

@Suite struct ComponentCounterTests {
  @Test func byHand() {
    // A cup, whose two arms are one component from their common floor on; corners join.
    var counter = ComponentCounter(width: 5)
    counter.add([
      7, 0, 5, 0, 7,
      7, 0, 0, 0, 7,
    ])
    #expect(counter.counts == [7: 2, 5: 1])
    counter.add([0, 7, 7, 7, 0])
    #expect(counter.counts == [7: 1, 5: 1])
    counter.add([0, 0, 0, 0, 0])
    counter.add([-3, 7, 0, 0, 1 << 40])
    #expect(counter.counts == [7: 2, 5: 1, -3: 1, 1 << 40: 1])
  }

  /// Spirals, holes and noise of several densities, in bands of any height.
  @Test func areThoseOfTheWholeImage() {
    var state: UInt64 = 5
    func next(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    for (width, height, kinds) in [(1, 9, 2), (40, 1, 3), (31, 27, 2), (64, 64, 3), (17, 50, 5)] {
      for density in [10, 45, 60, 95] as [UInt64] {
        let values = (0..<width * height).map { _ in
          next(100) < density ? Int64(next(UInt64(kinds))) : 0
        }
        let whole = ConnectedComponents(
          of: values.map { Int32($0) }, width: width, height: height, connectivity: .eight)
        var expected: [Int64: Int] = [:]
        for box in whole.boxes.indices {
          let place = whole.labels.firstIndex(of: Int32(box + 1)) ?? 0
          expected[values[place], default: 0] += 1
        }
        for bandHeight in [1, 4, height] {
          var counter = ComponentCounter(width: width)
          for top in stride(from: 0, to: height, by: bandHeight) {
            counter.add(Array(values[top * width..<min(height, top + bandHeight) * width]))
          }
          #expect(counter.counts == expected)
        }
      }
    }
  }

  @Test func aSpiralIsOne() {
    // Each turn is joined to the next one only at its end.
    let rows: [[Int64]] = [
      [1, 1, 1, 1, 1, 1, 1],
      [0, 0, 0, 0, 0, 0, 1],
      [1, 1, 1, 1, 1, 0, 1],
      [1, 0, 0, 0, 1, 0, 1],
      [1, 0, 1, 1, 1, 0, 1],
      [1, 0, 0, 0, 0, 0, 1],
      [1, 1, 1, 1, 1, 1, 1],
    ]
    var counter = ComponentCounter(width: 7)
    for row in rows { counter.add(row) }
    #expect(counter.counts == [1: 1])
  }
}
