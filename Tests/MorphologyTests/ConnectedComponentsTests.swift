// Connected components, by hand and against scipy.

import Morphology
import Testing

@Suite struct ConnectedComponentsTests {
  /// Two diagonal pixels are one component only where corners join; another value is its own.
  @Test func byHand() {
    let values: [Int32] = [
      0, 7, 0, 0,
      7, 0, 0, 5,
      7, 0, 7, 5,
    ]
    let four = ConnectedComponents(of: values, width: 4, height: 3, connectivity: .four)
    #expect(four.labels == [0, 1, 0, 0, 2, 0, 0, 3, 2, 0, 4, 3])
    #expect(four.count == 4)
    #expect(four.boxes[1] == PixelBox(rows: 1..<3, columns: 0..<1))
    let eight = ConnectedComponents(of: values, width: 4, height: 3, connectivity: .eight)
    #expect(eight.labels == [0, 1, 0, 0, 1, 0, 0, 2, 1, 0, 3, 2])
    #expect(
      eight.boxes == [
        PixelBox(rows: 0..<3, columns: 0..<2), PixelBox(rows: 1..<3, columns: 3..<4),
        PixelBox(rows: 2..<3, columns: 2..<3),
      ])
  }

  @Test func nothingHasNoComponents() {
    let none = ConnectedComponents(of: [0, 0], width: 2, height: 1, connectivity: .four)
    #expect(none.count == 0 && none.labels == [0, 0])
    #expect(ConnectedComponents(of: [], width: 0, height: 0, connectivity: .eight).count == 0)
  }

  @Test func areThoseOfScipy() throws {
    for fixture in try MorphologyFixture.all() {
      for (connectivity, expected) in [
        (Connectivity.four, fixture.components4), (.eight, fixture.components8),
      ] {
        let components = ConnectedComponents(
          of: fixture.pixels, width: fixture.width, height: fixture.height,
          connectivity: connectivity)
        #expect(components.labels == expected)
        for (label, box) in zip(Int32(1)..., components.boxes) {
          let places = expected.indices.filter { expected[$0] == label }
          let (rows, columns) = (
            places.map { $0 / fixture.width }, places.map { $0 % fixture.width }
          )
          #expect(rows.min() == box.rows.first && rows.max() == box.rows.last)
          #expect(columns.min() == box.columns.first && columns.max() == box.columns.last)
        }
      }
    }
  }
}
