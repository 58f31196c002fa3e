// A rectangle of an image as a network sees it.

/// The normalised pixels of a rectangle of an image, or of all of it.
package struct PixelRectangle: Sendable {
  /// Its rows in the image.
  package let rows: Range<Int>
  /// Its columns in the image.
  package let columns: Range<Int>
  /// Values a pixel.
  package let channels: Int
  /// The pixels, rows x columns x channels.
  package let values: [Float]

  /// A rectangle.
  ///
  /// - Precondition: the count fits the size.
  package init(rows: Range<Int>, columns: Range<Int>, channels: Int, values: [Float]) {
    precondition(
      values.count == rows.count * columns.count * channels && !values.isEmpty,
      "\(values.count) values for \(rows.count) x \(columns.count) x \(channels)")
    self.rows = rows
    self.columns = columns
    self.channels = channels
    self.values = values
  }

  /// All of an image.
  package init(height: Int, width: Int, channels: Int, values: [Float]) {
    self.init(rows: 0..<height, columns: 0..<width, channels: channels, values: values)
  }
}
