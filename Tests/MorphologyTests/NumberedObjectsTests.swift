// Objects by their numbers.

import Morphology
import Testing

@Suite struct NumberedObjectsTests {
  /// Numbers in the order of their first pixels; the parts of one number are one object.
  @Test func byHand() {
    let objects = NumberedObjects(of: [0, 900, 900, 7, 0, 0, 900, 0, -1], width: 3)
    #expect(objects.labels == [0, 1, 1, 2, 0, 0, 1, 0, 3])
    #expect(
      objects.boxes == [
        PixelBox(rows: 0..<3, columns: 0..<3), PixelBox(rows: 1..<2, columns: 0..<1),
        PixelBox(rows: 2..<3, columns: 2..<3),
      ])
    #expect(NumberedObjects(of: [], width: 0).count == 0)
  }
}
