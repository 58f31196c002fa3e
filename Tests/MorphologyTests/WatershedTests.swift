// The watershed, by hand and against scikit-image.

import Morphology
import Testing

@Suite struct WatershedTests {
  /// A ridge of 9 between two basins; without a line it goes to the flood that comes first.
  @Test func aRidgeParts() {
    let relief: [Float] = [0, 1, 9, 2, 0]
    let markers: [Int32] = [3, 0, 0, 0, 8]
    #expect(line(relief, markers, lines: true) == [3, 3, 0, 8, 8])
    #expect(line(relief, markers, lines: false) == [3, 3, 3, 8, 8])
  }

  /// Floods share a plateau: both advance a pixel a turn, the first marker first.
  @Test func aPlateauIsShared() {
    let markers: [Int32] = [1, 0, 0, 0, 0, 0, 2]
    let flat = [Float](repeating: 5, count: 7)
    #expect(line(flat, markers, lines: false) == [1, 1, 1, 1, 2, 2, 2])
    #expect(line(flat, markers, lines: true) == [1, 1, 1, 0, 2, 2, 2])
  }

  /// A pool below the level of the flood fills at that level: from its rim inwards by age, not from
  /// its deepest pixel.
  @Test func aPoolFillsAtTheLevelOfTheFlood() {
    let relief: [Float] = [0, 7, 1, 3, 2, 7, 0]
    let markers: [Int32] = [1, 0, 0, 0, 0, 0, 2]
    #expect(line(relief, markers, lines: false) == [1, 1, 1, 1, 2, 2, 2])
  }

  @Test func markersThatTouchKeepTheirPixels() {
    let markers: [Int32] = [0, 1, 2, 0]
    #expect(line([0, 0, 0, 0], markers, lines: true) == [1, 1, 2, 2])
  }

  /// Behind the meeting of two floods in a corridor lies a dead end, which is flooded too.
  @Test func nothingBehindALineStaysDry() {
    let mask = [
      true, true, true,
      false, true, false,
      false, true, false,
    ]
    let markers: [Int32] = [1, 0, 2, 0, 0, 0, 0, 0, 0]
    let found = Watershed.segments(
      relief: [Float](repeating: 0, count: 9), markers: markers, mask: mask, width: 3, height: 3,
      lines: true)
    #expect(found == [1, 0, 2, 0, 1, 0, 0, 1, 0])
  }

  @Test func noFloodEntersTheMask() {
    let found = Watershed.segments(
      relief: [0, 0, 0, 0], markers: [1, 0, 0, 2], mask: [true, true, false, false], width: 4,
      height: 1, lines: false)
    #expect(found == [1, 1, 0, 0])
  }

  @Test func isThatOfScikitImage() throws {
    for fixture in try MorphologyFixture.all() {
      func segments(_ connectivity: Connectivity, masked: Bool = false, lines: Bool) -> [Int32] {
        Watershed.segments(
          relief: fixture.relief, markers: fixture.markers,
          mask: masked ? fixture.mask.map { $0 != 0 } : nil, width: fixture.width,
          height: fixture.height, connectivity: connectivity, lines: lines)
      }
      let pairs = [
        (segments(.four, lines: false), fixture.watershed4),
        (segments(.eight, lines: false), fixture.watershed8),
        (segments(.four, lines: true), fixture.lines4),
        (segments(.eight, lines: true), fixture.lines8),
        (segments(.four, masked: true, lines: false), fixture.masked4),
        (segments(.four, masked: true, lines: true), fixture.maskedLines4),
      ]
      for (number, (found, expected)) in pairs.enumerated() {
        let difference = found.indices.first { found[$0] != expected[$0] }
        #expect(difference == nil, "result \(number)")
      }
    }
  }

  private func line(_ relief: [Float], _ markers: [Int32], lines: Bool) -> [Int32] {
    Watershed.segments(
      relief: relief, markers: markers, width: relief.count, height: 1, lines: lines)
  }
}
