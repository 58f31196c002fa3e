// Covering an image of any size with output windows, for prediction by overlapping tiles.

import Tensors

/// The windows by which a network of fixed output size covers an image.
///
/// Windows stand side by side from the top left corner. The last ones are moved inward so that they
/// end with the image; in an image smaller than the output the window extends beyond it. Every
/// window has rows and columns of its own, and these cover each pixel exactly once. Whatever a tile
/// sees beyond the image is mirrored.
package struct MirroredTiling: Sendable, Equatable {
  /// One output window.
  package struct Window: Sendable, Equatable {
    /// The image row of the output's first row.
    package let row: Int
    /// The image column of the output's first column.
    package let column: Int
    /// The image rows this window decides.
    package let ownRows: Range<Int>
    /// The image columns this window decides.
    package let ownColumns: Range<Int>
  }

  /// The rows of the image.
  package let height: Int
  /// The columns of the image.
  package let width: Int
  /// The sides of tile and output from top to bottom.
  package let tileRows: TileShape
  /// The sides of tile and output from left to right.
  package let tileColumns: TileShape
  /// The windows in rows from the top.
  package let windows: [Window]

  /// The windows of an image.
  ///
  /// - Precondition: the size is positive.
  package init(height: Int, width: Int, tileRows: TileShape, tileColumns: TileShape) {
    precondition(height > 0 && width > 0, "an image of \(width) x \(height)")
    self.height = height
    self.width = width
    self.tileRows = tileRows
    self.tileColumns = tileColumns
    let columns = Self.spans(length: width, side: tileColumns.outputSide)
    windows = Self.spans(length: height, side: tileRows.outputSide).flatMap { row in
      columns.map { column in
        Window(
          row: row.origin, column: column.origin, ownRows: row.own, ownColumns: column.own)
      }
    }
  }

  private static func spans(length: Int, side: Int) -> [(origin: Int, own: Range<Int>)] {
    stride(from: 0, to: length, by: side).map { start in
      (min(start, max(0, length - side)), start..<min(start + side, length))
    }
  }

  /// Copies a window's input tile, rows x columns x channels, to `destination`.
  ///
  /// - Parameters:
  ///   - pixels: the image, height x width x channels.
  ///   - destination: overwritten.
  /// - Precondition: `pixels` has the size of the image.
  package func extract(
    _ window: Window, of pixels: [Float], channels: Int,
    to destination: UnsafeMutablePointer<Float>
  ) {
    precondition(
      pixels.count == height * width * channels,
      "\(pixels.count) values for \(width) x \(height) x \(channels)")
    let copy = TileCopy(
      rows: BorderRule.mirrored(
        from: window.row - tileRows.margin, length: tileRows.inputSide, count: height),
      columns: BorderRule.mirrored(
        from: window.column - tileColumns.margin, length: tileColumns.inputSide, count: width))
    pixels.withUnsafeBufferPointer { pixels in
      guard let base = pixels.baseAddress else { preconditionFailure("an image without pixels") }
      copy.copy(from: base, width: width, channels: channels, to: destination)
    }
  }
}
