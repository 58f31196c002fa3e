// An image as a tile transform reads it: padded, mirrored, or two images side by side.

import CVectors
import Tensors

/// An image seen through two axis maps, while a task reads patches of it.
///
/// Rows and columns outside the maps are zeros, so the last tiles may reach beyond the image.
struct PaddedView {
  let image: ConvolutionImage
  let rows: UnsafeBufferPointer<Int>
  let columns: UnsafeBufferPointer<Int>
  /// Room for a patch of sixteen channels that does not lie in memory as it is.
  let patchWorkspace: UnsafeMutablePointer<Float>

  /// Floats of a patch's workspace.
  static func patchWorkspaceCount(extent: Int) -> Int { extent * extent * 16 }

  /// A square patch by its first virtual row and column.
  struct Place {
    let firstRow: Int
    let firstColumn: Int
    let extent: Int
    /// Whether its rows and columns lie in memory side by side.
    let isPlain: Bool
  }

  @inline(__always)
  func place(firstRow: Int, firstColumn: Int, extent: Int) -> Place {
    Place(
      firstRow: firstRow, firstColumn: firstColumn, extent: extent,
      isPlain: Self.isPlain(rows, firstRow, extent)
        && Self.isPlain(columns, firstColumn, extent))
  }

  @inline(__always)
  private static func isPlain(
    _ sources: UnsafeBufferPointer<Int>, _ first: Int, _ extent: Int
  ) -> Bool {
    let last = first &+ extent &- 1
    return last < sources.count && sources[first] >= 0
      && sources[last] == sources[first] &+ extent &- 1
  }

  /// Sixteen channels of a patch from `channel` on; those beyond the last are any numbers.
  ///
  /// What it returns is valid until the next call.
  @inline(__always)
  func patch(_ place: Place, channel: Int) -> Im2colSource {
    let firstChannels = image.first.shape.channels
    if place.isPlain {
      if let second = image.second, channel >= firstChannels {
        if let source = Self.source(
          second, rows[place.firstRow], columns[place.firstColumn], extent: place.extent,
          channel: channel &- firstChannels)
        {
          return source
        }
      } else if image.second == nil || channel &+ 16 <= firstChannels,
        let source = Self.source(
          image.first, rows[place.firstRow], columns[place.firstColumn], extent: place.extent,
          channel: channel)
      {
        return source
      }
    }
    gather(place, channel: channel)
    return Im2colSource(
      base: patchWorkspace, rowStride: place.extent &* 16, pixelStride: 16)
  }

  /// Sixteen channels of a patch as it lies in memory, if they all lie within the image.
  ///
  /// Behind a pixel's last channel lies the next pixel: numbers that no one asks for, in the lanes
  /// of channels that there are not.
  @inline(__always)
  private static func source(
    _ view: TensorView, _ row: Int, _ column: Int, extent: Int, channel: Int
  ) -> Im2colSource? {
    let (rowsLeft, columnsLeft) = (
      view.shape.height &- row &- extent, view.shape.width &- column &- extent
    )
    let floatsBehind = rowsLeft &* view.rowStride &+ columnsLeft &* view.pixelStride
    guard channel &+ 16 <= view.shape.channels &+ floatsBehind else { return nil }
    return Im2colSource(
      base: view.pixel(row, column) + channel, rowStride: view.rowStride,
      pixelStride: view.pixelStride)
  }

  /// Asks for the last `count` pixels of each row of a patch, to be read soon.
  ///
  /// A tile's transform takes less time than memory takes to answer, and the processor does not see
  /// far enough ahead in so many rows.
  @inline(__always)
  func prefetch(_ place: Place, channel: Int, last count: Int) {
    guard place.isPlain else { return }
    let firstChannels = image.first.shape.channels
    let column = columns[place.firstColumn] &+ place.extent &- count
    let row = rows[place.firstRow]
    var line = image.first.pixel(row, column) + channel
    var (rowStride, pixelStride) = (image.first.rowStride, image.first.pixelStride)
    if channel >= firstChannels, let second = image.second {
      line = second.pixel(row, column) + (channel &- firstChannels)
      (rowStride, pixelStride) = (second.rowStride, second.pixelStride)
    }
    for _ in 0..<place.extent {
      for pixel in 0..<count { CVectors_prefetch(line + pixel &* pixelStride) }
      line += rowStride
    }
  }

  /// Copies a patch to the workspace, pixel by pixel.
  private func gather(_ place: Place, channel: Int) {
    var target = patchWorkspace
    for y in place.firstRow..<place.firstRow + place.extent {
      let row = y < rows.count ? rows[y] : -1
      for x in place.firstColumn..<place.firstColumn + place.extent {
        let column = x < columns.count ? columns[x] : -1
        target.store(.zero, at: 0)
        if row >= 0 && column >= 0 {
          image.load(channel: channel, count: 16, y: row, x: column, into: target)
        }
        target += 16
      }
    }
  }
}
