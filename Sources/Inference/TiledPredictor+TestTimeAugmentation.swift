// Test-time augmentation: the mean over the eight flips and quarter turns of a tile.

import Datasets
import Glibc
import Network
import Tensors
import Threading

/// One of the eight symmetries of a square: rows and columns change places or not, then each runs
/// forwards or backwards.
struct TileSymmetry {
  let isTransposed: Bool
  let reversesRows: Bool
  let reversesColumns: Bool

  static let all = [false, true].flatMap { isTransposed in
    [false, true].flatMap { reversesRows in
      [false, true].map {
        TileSymmetry(
          isTransposed: isTransposed, reversesRows: reversesRows, reversesColumns: $0)
      }
    }
  }

  /// Where the pixel (y, x) of an image of `height` x `width` stands in the transformed one.
  @inline(__always)
  func place(_ y: Int, _ x: Int, height: Int, width: Int) -> (row: Int, column: Int) {
    let row = reversesRows ? height - 1 - y : y
    let column = reversesColumns ? width - 1 - x : x
    return isTransposed ? (column, row) : (row, column)
  }
}

extension TiledPredictor {
  /// Logarithms of the mean probabilities of a window over the eight symmetries of its tile, as scores:
  /// their softmax are these probabilities.
  ///
  /// The network sees each transformed tile, and its probabilities are transformed back before they
  /// are added, in a fixed order and in Double (after Moshkov et al. 2020).
  func meanLogits(
    _ window: MirroredTiling.Window, of tiling: MirroredTiling, pixels: [Float]
  ) throws(AllocationError) -> TensorView {
    let configuration = network.configuration
    let (channels, classes) = (configuration.inputChannels, configuration.classes)
    let (height, width) = (tiling.tileRows.inputSide, tiling.tileColumns.inputSide)
    let (rows, columns) = (tiling.tileRows.outputSide, tiling.tileColumns.outputSide)
    let source = try FloatBuffer(count: height * width * channels, for: "the pixels of a tile")
    tiling.extract(window, of: pixels, channels: channels, to: source.base)
    let mean = try FloatBuffer(count: rows * columns * classes, for: "the scores of a tile")
    var sums = [Double](repeating: 0, count: rows * columns * classes)
    let softmax = PixelSoftmax(classes: classes, threads: team.count)

    // Those that are not transposed first, so that memory of the other shape is asked for once.
    for symmetry in TileSymmetry.all {
      let (tileRows, tileColumns) =
        symmetry.isTransposed
        ? (tiling.tileColumns, tiling.tileRows) : (tiling.tileRows, tiling.tileColumns)
      let logits = try logits(rows: tileRows, columns: tileColumns) { tile in
        for y in 0..<height {
          for x in 0..<width {
            let place = symmetry.place(y, x, height: height, width: width)
            let target = tile + (place.row * tileColumns.inputSide + place.column) * channels
            let pixel = source.base + (y * width + x) * channels
            for channel in 0..<channels { target[channel] = pixel[channel] }
          }
        }
      }
      sums.withUnsafeMutableBufferPointer { sums in
        forEachRow(rows) { y, thread in
          for x in 0..<columns {
            let place = symmetry.place(y, x, height: rows, width: columns)
            let scores = UnsafePointer(logits.pixel(place.row, place.column))
            let probabilities = softmax(scores, thread: thread).probabilities
            for k in 0..<classes { sums[(y * columns + x) * classes + k] += probabilities[k] }
          }
        }
      }
    }
    let count = Double(TileSymmetry.all.count)
    for index in sums.indices {
      // A probability of 0 in Double would be a score of minus infinity, and its loss infinite.
      mean.base[index] = Float(log(max(sums[index] / count, .leastNormalMagnitude)))
    }
    keep(mean)
    return TensorView(
      base: mean.base, shape: ImageShape(height: rows, width: columns, channels: classes))
  }

  private func forEachRow(_ rows: Int, _ body: (_ row: Int, _ thread: Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      team.forEach(rows, body) { body, row, thread in body(row, thread) }
    }
  }
}
