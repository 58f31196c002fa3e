// A rectangle of pixels.

/// A rectangle of pixels.
package struct PixelBox: Equatable, Sendable {
  /// Its rows, from the top.
  package var rows: Range<Int>
  /// Its columns, from the left.
  package var columns: Range<Int>

  /// The pixels in these rows and columns.
  package init(rows: Range<Int>, columns: Range<Int>) {
    self.rows = rows
    self.columns = columns
  }

  /// The box with `count` more pixels on every side, as far as the image goes.
  package func widened(by count: Int, width: Int, height: Int) -> PixelBox {
    PixelBox(
      rows: max(0, rows.lowerBound - count)..<min(height, rows.upperBound + count),
      columns: max(0, columns.lowerBound - count)..<min(width, columns.upperBound + count))
  }

  /// Takes in a pixel.
  mutating func add(row: Int, column: Int) {
    rows = min(rows.lowerBound, row)..<max(rows.upperBound, row + 1)
    columns = min(columns.lowerBound, column)..<max(columns.upperBound, column + 1)
  }
}
