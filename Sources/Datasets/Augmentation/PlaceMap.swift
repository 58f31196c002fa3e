// Resampling an image at the places that a deformation gives.

import Tensors

/// For each pixel of a tile a place in the image it shows.
///
/// Places beyond the image are mirrored. Rows are computed sixteen pixels at a time; all of it is basic
/// arithmetic, so the bits do not depend on the processor.
package struct PlaceMap {
  let centreRow: Double
  let centreColumn: Double
  let rowByRow: Double
  let rowByColumn: Double
  let columnByRow: Double
  let columnByColumn: Double
  /// The side of the tile.
  let side: Int
  /// The extents of the image.
  let width: Int
  let height: Int
  let field: SampledField?

  /// Calls `body` for each row of the tile with the places of its pixels, rows and columns in pixels
  /// of the image.
  private func forEachRow(
    _ range: Range<Int>,
    _ body: (_ row: Int, _ rows: UnsafePointer<Float>, _ columns: UnsafePointer<Float>) -> Void
  ) {
    let vectors = (side + 15) / 16
    withUnsafeTemporaryAllocation(of: SIMD16<Float>.self, capacity: 2 * vectors) { memory in
      guard let rows = memory.baseAddress else { return }
      let columns = rows + vectors
      let half = Double(side - 1) / 2
      let lanes = SIMD16<Float>((0..<16).map { Float($0) })
      for row in range {
        let v = Double(row) - half
        // From the tile's first column on; Double here, since images may be large.
        let firstRow = Float(centreRow + rowByRow * v - rowByColumn * half)
        let firstColumn = Float(centreColumn + columnByRow * v - columnByColumn * half)
        for vector in 0..<vectors {
          let u = lanes + Float(16 * vector)
          rows[vector] = u * Float(rowByColumn) + firstRow
          columns[vector] = u * Float(columnByColumn) + firstColumn
        }
        field?.add(row: row, vectors: vectors, rows: rows, columns: columns)
        rows.withMemoryRebound(to: Float.self, capacity: 16 * vectors) { rows in
          columns.withMemoryRebound(to: Float.self, capacity: 16 * vectors) { columns in
            body(row, rows, columns)
          }
        }
      }
    }
  }

  /// The four pixels around a place, as rows and columns of the image, and its distances from the first.
  @inline(__always)
  private static func cell(
    _ place: Float, count: Int
  ) -> (first: Int, second: Int, distance: Float) {
    // Beyond 2^24 a float has no fractions, and an image no pixels.
    let floor = min(max(place, -0x1p24), 0x1p24).rounded(.down)
    let position = Int(floor)
    let distance = min(max(place, -0x1p24), 0x1p24) - floor
    if position >= 0 && position + 1 < count { return (position, position + 1, distance) }
    return (
      BorderRule.mirrored(position, count: count), BorderRule.mirrored(position + 1, count: count),
      distance
    )
  }

  /// The rows and columns of the image that the tile shows, and what lies between them.
  package func box() -> (rows: Range<Int>, columns: Range<Int>) {
    var (rowBounds, columnBounds) = (PlaceBounds(), PlaceBounds())
    forEachRow(0..<side) { _, rows, columns in
      rowBounds.add(rows, count: side)
      columnBounds.add(columns, count: side)
    }
    return (rowBounds.range(count: height), columnBounds.range(count: width))
  }

  /// tile [side, side, channels] := the image between pixels, by bilinear interpolation; overwritten.
  ///
  /// `pixels` [rows, columns, channels] are those of a part that holds the `box`.
  package func resample(
    _ pixels: UnsafePointer<Float>, of part: ImagePart, channels: Int,
    into tile: UnsafeMutablePointer<Float>
  ) {
    let (firstRow, firstColumn) = (part.rows.lowerBound, part.columns.lowerBound)
    let stride = part.columns.count * channels
    forEachRow(0..<side) { row, rows, columns in
      var target = tile + row * side * channels
      for pixel in 0..<side {
        let (top, bottom, down) = Self.cell(rows[pixel], count: height)
        let (left, right, across) = Self.cell(columns[pixel], count: width)
        let topLine = pixels + (top - firstRow) * stride - firstColumn * channels
        let bottomLine = pixels + (bottom - firstRow) * stride - firstColumn * channels
        for channel in 0..<channels {
          let (l, r) = (left * channels + channel, right * channels + channel)
          let upper = topLine[l] + across * (topLine[r] - topLine[l])
          let lower = bottomLine[l] + across * (bottomLine[r] - bottomLine[l])
          target[channel] = upper + down * (lower - upper)
        }
        target += channels
      }
    }
  }

  /// values [outputSide, outputSide] := those of `source` nearest to the places of the tile's centre;
  /// overwritten.
  ///
  /// `source` [rows, columns] is that of a part that holds the `box`.
  package func resampleNearest<Value>(
    _ source: UnsafePointer<Value>, of part: ImagePart, outputSide: Int,
    into values: UnsafeMutablePointer<Value>
  ) {
    let margin = (side - outputSide) / 2
    let (firstRow, firstColumn) = (part.rows.lowerBound, part.columns.lowerBound)
    let stride = part.columns.count
    forEachRow(margin..<margin + outputSide) { row, rows, columns in
      let target = values + (row - margin) * outputSide
      for pixel in 0..<outputSide {
        let y = Self.nearest(rows[margin + pixel], count: height)
        let x = Self.nearest(columns[margin + pixel], count: width)
        target[pixel] = source[(y - firstRow) * stride + x - firstColumn]
      }
    }
  }

  @inline(__always)
  private static func nearest(_ place: Float, count: Int) -> Int {
    let position = Int((min(max(place, -0x1p24), 0x1p24) + 0.5).rounded(.down))
    return 0..<count ~= position ? position : BorderRule.mirrored(position, count: count)
  }
}

/// The smallest and the largest of places along an axis.
private struct PlaceBounds {
  private var lowest = Float.infinity
  private var highest = -Float.infinity

  mutating func add(_ places: UnsafePointer<Float>, count: Int) {
    for index in 0..<count {
      lowest = min(lowest, places[index])
      highest = max(highest, places[index])
    }
  }

  /// The positions in 0..<count that stand between the places, in the mirror, the next ones included.
  func range(count: Int) -> Range<Int> {
    func position(_ place: Float) -> Int { Int(min(max(place, -0x1p24), 0x1p24).rounded(.down)) }
    let (first, last) = (position(lowest), position(highest) + 1)
    if first >= 0 && last < count { return first..<last + 1 }
    if last - first >= 2 * count { return 0..<count }
    let positions = (first...last).map { BorderRule.mirrored($0, count: count) }
    return (positions.min() ?? 0)..<(positions.max() ?? 0) + 1
  }
}
