// Covering an image of any size with windows, for prediction by overlapping tiles.

import Tensors

/// The windows that cover an image, each pixel once.
///
/// Windows of one size stand side by side from the top left corner; the last ones may reach beyond the
/// image, where there is nothing to decide. None is moved inward: so all begin at multiples of their
/// sides, on the grid of the network's poolings. Whatever a tile sees beyond the image is mirrored.
package struct MirroredTiling: Sendable, Equatable {
  /// One window.
  package struct Window: Sendable, Equatable {
    /// The image rows that it decides, from the window's first one on.
    package let rows: Range<Int>
    /// The image columns that it decides, from the window's first one on.
    package let columns: Range<Int>
  }

  /// The rows of the image.
  package let height: Int
  /// The columns of the image.
  package let width: Int
  /// The windows in rows from the top.
  package let windows: [Window]

  /// The windows of an image.
  ///
  /// - Precondition: all sides are positive.
  package init(height: Int, width: Int, windowHeight: Int, windowWidth: Int) {
    precondition(
      height > 0 && width > 0 && windowHeight > 0 && windowWidth > 0,
      "an image of \(width) x \(height) by windows of \(windowWidth) x \(windowHeight)")
    self.height = height
    self.width = width
    let columns = Self.spans(length: width, side: windowWidth)
    windows = Self.spans(length: height, side: windowHeight).flatMap { rows in
      columns.map { Window(rows: rows, columns: $0) }
    }
  }

  private static func spans(length: Int, side: Int) -> [Range<Int>] {
    stride(from: 0, to: length, by: side).map { $0..<min($0 + side, length) }
  }

  /// The rows and columns of the image that the tile around a window shows, mirrored or not.
  package func rectangle(
    _ window: Window, tileRows: WindowShape, tileColumns: WindowShape
  ) -> (rows: Range<Int>, columns: Range<Int>) {
    let rows = sourceRows(window, tileRows)
    let columns = sourceColumns(window, tileColumns)
    func range(_ places: [Int]) -> Range<Int> { (places.min() ?? 0)..<(places.max() ?? 0) + 1 }
    return (range(rows), range(columns))
  }

  private func sourceRows(_ window: Window, _ tile: WindowShape) -> [Int] {
    BorderRule.mirrored(
      from: window.rows.lowerBound - tile.leading, length: tile.inputSide, count: height)
  }

  private func sourceColumns(_ window: Window, _ tile: WindowShape) -> [Int] {
    BorderRule.mirrored(
      from: window.columns.lowerBound - tile.leading, length: tile.inputSide, count: width)
  }

  /// Copies the tile around a window, rows x columns x channels, to `destination`.
  ///
  /// - Parameters:
  ///   - tileRows: the tile from top to bottom, with the window's place in it.
  ///   - tileColumns: the tile from left to right.
  ///   - pixels: the image, or a rectangle of it that has all that the tile shows.
  ///   - destination: overwritten.
  /// - Precondition: `pixels` has the ``rectangle(_:tileRows:tileColumns:)`` of the window.
  package func extract(
    _ window: Window, tileRows: WindowShape, tileColumns: WindowShape, of pixels: PixelRectangle,
    to destination: UnsafeMutablePointer<Float>
  ) {
    let shown = rectangle(window, tileRows: tileRows, tileColumns: tileColumns)
    precondition(
      pixels.rows.lowerBound <= shown.rows.lowerBound
        && pixels.rows.upperBound >= shown.rows.upperBound
        && pixels.columns.lowerBound <= shown.columns.lowerBound
        && pixels.columns.upperBound >= shown.columns.upperBound,
      "rows \(pixels.rows) and columns \(pixels.columns) for a tile that shows \(shown)")
    let copy = TileCopy(
      rows: sourceRows(window, tileRows), columns: sourceColumns(window, tileColumns)
    ).moved(up: pixels.rows.lowerBound, left: pixels.columns.lowerBound)
    pixels.values.withUnsafeBufferPointer { values in
      guard let base = values.baseAddress else { preconditionFailure("an image without pixels") }
      copy.copy(
        from: base, width: pixels.columns.count, channels: pixels.channels, to: destination)
    }
  }
}
