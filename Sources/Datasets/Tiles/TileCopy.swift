// Copying a rectangle of an image through an index of rows and an index of columns.

/// Copies out(i, j) = image(rows[i], columns[j]), or image(rows[j], columns[i]) when transposed.
///
/// Mirroring, flips and quarter turns are all in the two indices and the transposition, so every
/// tile of training and prediction is made by this one loop.
struct TileCopy {
  /// The source row of each output row (of each output column when transposed).
  var rows: [Int]
  /// The source column of each output column (of each output row when transposed).
  var columns: [Int]
  /// True when rows and columns change places.
  var isTransposed = false

  /// The same copy out of a part of the image that begins at these row and column of it.
  func moved(up row: Int, left column: Int) -> TileCopy {
    TileCopy(
      rows: rows.map { $0 - row }, columns: columns.map { $0 - column }, isTransposed: isTransposed)
  }

  /// Copies a square or, when not transposed, any rectangle.
  ///
  /// - Parameters:
  ///   - source: `width` columns of `channels` interleaved values; every index is inside.
  ///   - destination: overwritten; rows one after the other.
  func copy<Value>(
    from source: UnsafePointer<Value>, width: Int, channels: Int,
    to destination: UnsafeMutablePointer<Value>
  ) {
    rows.withUnsafeBufferPointer { rows in
      columns.withUnsafeBufferPointer { columns in
        var output = destination
        if isTransposed {
          for column in columns {
            for row in rows {
              Self.copyPixel(source + (row * width + column) * channels, channels, &output)
            }
          }
        } else {
          for row in rows {
            let line = source + row * width * channels
            for column in columns {
              Self.copyPixel(line + column * channels, channels, &output)
            }
          }
        }
      }
    }
  }

  @inline(__always)
  private static func copyPixel<Value>(
    _ pixel: UnsafePointer<Value>, _ channels: Int, _ output: inout UnsafeMutablePointer<Value>
  ) {
    for channel in 0..<channels {
      output[channel] = pixel[channel]
    }
    output += channels
  }
}
