// The connected components of an image of values.

/// The connected components of the pixels that have a value other than 0.
///
/// Two pixels are of one component where a chain of neighbours of the same value joins them, so that
/// values that touch are components of their own.
package struct ConnectedComponents: Sendable {
  /// The component of each pixel, 1...count in the order of their first pixels in rows from the top;
  /// 0 where the value is 0.
  package private(set) var labels: [Int32]
  /// The box of each component; that of component n stands at n - 1.
  package private(set) var boxes: [PixelBox] = []

  /// The number of components.
  package var count: Int { boxes.count }

  /// The components of an image of values, height x width.
  ///
  /// - Precondition: the count fits the size.
  /// - Complexity: a few passes over the pixels.
  package init(of values: [Int32], width: Int, height: Int, connectivity: Connectivity) {
    precondition(values.count == width * height, "\(values.count) values, \(width) x \(height)")
    var labels = [Int32](repeating: 0, count: values.count)
    let neighbours = connectivity.neighbours(width: width, height: height)
    var stack: [Int] = []
    for start in values.indices where values[start] != 0 && labels[start] == 0 {
      let value = values[start]
      let label = Int32(boxes.count + 1)
      let (row, column) = (start / width, start % width)
      var box = PixelBox(rows: row..<row + 1, columns: column..<column + 1)
      labels[start] = label
      stack.append(start)
      while let place = stack.popLast() {
        beat(at: place)
        box.add(row: place / width, column: place % width)
        neighbours.forEach(of: place) { other in
          guard values[other] == value && labels[other] == 0 else { return }
          labels[other] = label
          stack.append(other)
        }
      }
      boxes.append(box)
    }
    self.labels = labels
  }
}
