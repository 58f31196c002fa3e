// The distance transform, by hand and against scipy.

import Morphology
import Testing

@Suite struct SquaredDistancesTests {
  /// Distances to (0, 0) and (1, 3) in a box that begins at (10, 20).
  @Test func byHand() {
    let box = PixelBox(rows: 10..<12, columns: 20..<24)
    let distances = SquaredDistances(in: box) { row, column in
      (row, column) == (10, 20) || (row, column) == (11, 23)
    }
    let found = box.rows.flatMap { row in box.columns.map { distances.value(row, $0) } }
    #expect(found == [0, 1, 2, 1, 1, 2, 1, 0])
  }

  @Test func ofAnEmptySetIsBeyondTheBox() {
    let distances = SquaredDistances(in: PixelBox(rows: 0..<3, columns: 0..<4)) { _, _ in false }
    for row in 0..<3 {
      for column in 0..<4 { #expect(distances.value(row, column) > 25) }
    }
  }

  @Test func areThoseOfScipy() throws {
    for fixture in try MorphologyFixture.all() {
      let box = PixelBox(rows: 0..<fixture.height, columns: 0..<fixture.width)
      let distances = SquaredDistances(in: box) { row, column in
        fixture.pixels[row * fixture.width + column] != 0
      }
      let found = box.rows.flatMap { row in box.columns.map { distances.value(row, $0) } }
      #expect(found == fixture.squares)
    }
  }
}
