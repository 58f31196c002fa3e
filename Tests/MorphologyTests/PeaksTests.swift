// Peaks by hand, and against the h-maxima of scikit-image.

import Foundation
import Morphology
import Testing

@Suite struct PeaksTests {
  private struct Fixture: Decodable {
    let width: Int
    let height: Int
    let dynamics: Float
    let relief: [Float]
    let peaks4: [Int]
    let peaks8: [Int]
  }

  private func peaks(
    _ relief: [Float], _ dynamics: Float, regions: [Int32]? = nil
  ) -> [Int32] {
    Peaks.markers(
      of: relief, regions: regions ?? relief.map { _ in 1 }, dynamics: dynamics,
      width: relief.count,
      height: 1)
  }

  // From 5 it goes down to 3 before 9, by 2; from 6 to 2 before 9, by 4; from 9 there is nothing higher.
  @Test func byHand() {
    let relief: [Float] = [1, 5, 3, 9, 2, 6, 0]
    #expect(peaks(relief, 1) == [0, 1, 0, 2, 0, 3, 0])
    #expect(peaks(relief, 2) == [0, 1, 0, 2, 0, 3, 0])
    #expect(peaks(relief, 2.5) == [0, 0, 0, 1, 0, 2, 0])
    #expect(peaks(relief, 4.5) == [0, 0, 0, 1, 0, 0, 0])
  }

  @Test func aPlateauHasOnePeakAndEqualPeaksTheFirst() {
    #expect(peaks([4, 4, 4], 1) == [1, 0, 0])
    #expect(peaks([4, 1, 4], 2) == [1, 0, 2])
    #expect(peaks([4, 3, 4], 2) == [1, 0, 0])
  }

  @Test func hillsApartHaveAPeakEach() {
    #expect(peaks([1, 2, 9, 3, 1], 100, regions: [1, 1, 0, 1, 1]) == [0, 1, 0, 2, 0])
    #expect(peaks([1, 2, 9, 3, 1], 100, regions: [1, 1, 1, 2, 2]) == [0, 0, 1, 2, 0])
    #expect(peaks([1, 2], 1, regions: [0, 0]) == [0, 0])
  }

  @Test func areTheMaximaThatScikitImageLeaves() throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/peaks.json")
    let fixtures = try JSONDecoder().decode([Fixture].self, from: Data(contentsOf: path))
    #expect(fixtures.count == 4)
    for fixture in fixtures {
      for (connectivity, expected) in [
        (Connectivity.four, fixture.peaks4), (.eight, fixture.peaks8),
      ] {
        let markers = Peaks.markers(
          of: fixture.relief, regions: fixture.relief.map { _ in 7 }, dynamics: fixture.dynamics,
          width: fixture.width, height: fixture.height, connectivity: connectivity)
        #expect(markers.indices.filter { markers[$0] != 0 } == expected)
        #expect(markers.filter { $0 != 0 } == (1...Int32(expected.count)).map { $0 })
      }
    }
  }
}
