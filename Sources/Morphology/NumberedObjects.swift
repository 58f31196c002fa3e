// The objects of an image whose pixels have their numbers.

/// The objects of an image of numbers, whatever the numbers are; 0 is background.
///
/// All pixels of a number are one object, whether they hang together or not.
package struct NumberedObjects: Sendable {
  /// The object of each pixel, 1...count in the order of their first pixels in rows from the top;
  /// 0 for background.
  package private(set) var labels: [Int32]
  /// The box of each object; that of object n stands at n - 1.
  package private(set) var boxes: [PixelBox] = []

  /// The number of objects.
  package var count: Int { boxes.count }

  /// The objects of an image, height x width.
  ///
  /// - Precondition: the count fits the width.
  package init(of numbers: [Int32], width: Int) {
    precondition(
      numbers.isEmpty || numbers.count.isMultiple(of: width), "\(numbers.count) in rows of \(width)"
    )
    labels = [Int32](repeating: 0, count: numbers.count)
    var labelOf: [Int32: Int32] = [:]
    // Neighbours are mostly equal: one look into the dictionary a run, not one a pixel.
    var (last, label): (Int32, Int32) = (0, 0)
    for (place, number) in numbers.enumerated() where number != 0 {
      let (row, column) = (place / width, place % width)
      if number != last {
        last = number
        if let known = labelOf[number] {
          label = known
        } else {
          boxes.append(PixelBox(rows: row..<row + 1, columns: column..<column + 1))
          label = Int32(boxes.count)
          labelOf[number] = label
        }
      }
      beat(at: place)
      labels[place] = label
      boxes[Int(label) - 1].add(row: row, column: column)
    }
  }
}
