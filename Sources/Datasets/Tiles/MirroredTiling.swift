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

  /// Copies the tile around a window, rows x columns x channels, to `destination`.
  ///
  /// - Parameters:
  ///   - tileRows: the tile from top to bottom, with the window's place in it.
  ///   - tileColumns: the tile from left to right.
  ///   - pixels: the image, height x width x channels.
  ///   - destination: overwritten.
  /// - Precondition: `pixels` has the size of the image.
  package func extract(
    _ window: Window, tileRows: WindowShape, tileColumns: WindowShape, of pixels: [Float],
    channels: Int, to destination: UnsafeMutablePointer<Float>
  ) {
    precondition(
      pixels.count == height * width * channels,
      "\(pixels.count) values for \(width) x \(height) x \(channels)")
    let copy = TileCopy(
      rows: BorderRule.mirrored(
        from: window.rows.lowerBound - tileRows.leading, length: tileRows.inputSide, count: height),
      columns: BorderRule.mirrored(
        from: window.columns.lowerBound - tileColumns.leading, length: tileColumns.inputSide,
        count: width))
    pixels.withUnsafeBufferPointer { pixels in
      guard let base = pixels.baseAddress else { preconditionFailure("an image without pixels") }
      copy.copy(from: base, width: width, channels: channels, to: destination)
    }
  }
}
