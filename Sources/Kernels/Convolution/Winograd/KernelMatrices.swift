// The taps of a kernel as matrices, and their transforms into panels.

import CVectors

/// A kernel as matrices of summed channels x output channels, one for each tap.
///
/// The value (tap, row, column) lies at base + tap * tapStride + row * rowStride + column *
/// columnStride, where one of the last two is 1. A kernel turned by half a turn has its base at the
/// last tap and a negative `tapStride`; the exchange of channels exchanges the other strides.
struct KernelMatrices {
  let base: UnsafePointer<Float>
  let tapStride: Int
  let rows: Int
  let columns: Int
  let rowStride: Int
  let columnStride: Int

  /// A kernel as it lies in memory, [taps, rows, columns].
  init(_ weights: UnsafePointer<Float>, rows: Int, columns: Int) {
    base = weights
    tapStride = rows * columns
    self.rows = rows
    self.columns = columns
    rowStride = columns
    columnStride = 1
  }

  /// The adjoint of a kernel that lies in memory as [taps, columns, rows]: channels exchanged, and
  /// with `turned` the taps in reverse order.
  init(
    inputGradientOf weights: UnsafePointer<Float>, taps: Int, turned: Bool, rows: Int, columns: Int
  ) {
    let tapStride = rows * columns
    base = turned ? weights + (taps - 1) * tapStride : weights
    self.tapStride = turned ? -tapStride : tapStride
    self.rows = rows
    self.columns = columns
    rowStride = 1
    columnStride = rows
  }

  /// Floats of workspace that `transform` needs: a block of 16 x 16 for each tap.
  static func workspaceCount(taps: Int) -> Int { taps * 256 }

  /// Transforms a part of the matrices into [plane, row, width]; columns beyond the last are zeros.
  func transform<Transform: TileTransform>(
    _: Transform.Type, rows part: Range<Int>, columns group: Range<Int>,
    into panels: UnsafeMutablePointer<Float>, width: Int, planeStride: Int,
    workspace: UnsafeMutablePointer<Float>
  ) {
    for firstRow in stride(from: part.lowerBound, to: part.upperBound, by: 16) {
      let rows = firstRow..<min(firstRow + 16, part.upperBound)
      let line = panels + (firstRow - part.lowerBound) * width
      if columnStride == 1 {
        transformLines(
          Transform.self, rows: rows, columns: group, into: line, width: width,
          planeStride: planeStride, workspace: workspace)
      } else {
        transformBlocks(
          Transform.self, rows: rows, columns: group, into: line, width: width,
          planeStride: planeStride, workspace: workspace)
      }
    }
  }

  /// panels [plane, row, width] := the transformed kernels of rows whose columns lie side by side.
  @inline(__always)
  private func transformLines<Transform: TileTransform>(
    _: Transform.Type, rows: Range<Int>, columns group: Range<Int>,
    into panels: UnsafeMutablePointer<Float>, width: Int, planeStride: Int,
    workspace: UnsafeMutablePointer<Float>
  ) {
    let taps = Transform.kernelExtent * Transform.kernelExtent
    for (index, row) in rows.enumerated() {
      for column in stride(from: group.lowerBound, to: group.upperBound, by: 16) {
        let target = panels + (index * width + column - group.lowerBound)
        let source = base + row * rowStride + column
        for tap in 0..<taps { CVectors_prefetch(source + tap * tapStride + 2 * rowStride) }
        if column + 16 <= columns {
          Transform.weights(
            source, tapStride: tapStride, into: PlaneTarget(base: target, stride: planeStride))
          continue
        }
        for tap in 0..<taps {
          gather(
            tap: tap, row: row, count: 1, column: column, lanes: columns - column,
            into: workspace + tap * 256)
        }
        Transform.weights(
          workspace, tapStride: 256, into: PlaneTarget(base: target, stride: planeStride))
      }
    }
  }

  /// panels [plane, row, width] := the transformed kernels of up to sixteen rows that lie side by
  /// side, transposed block by block; `workspace` has 256 floats a tap.
  @inline(__always)
  private func transformBlocks<Transform: TileTransform>(
    _: Transform.Type, rows: Range<Int>, columns group: Range<Int>,
    into panels: UnsafeMutablePointer<Float>, width: Int, planeStride: Int,
    workspace: UnsafeMutablePointer<Float>
  ) {
    let taps = Transform.kernelExtent * Transform.kernelExtent
    for column in stride(from: group.lowerBound, to: group.upperBound, by: 16) {
      for tap in 0..<taps {
        gather(
          tap: tap, row: rows.lowerBound, count: rows.count, column: column,
          lanes: min(16, columns - column), into: workspace + tap * 256)
      }
      let target = panels + (column - group.lowerBound)
      for row in 0..<rows.count {
        Transform.weights(
          workspace + row * 16, tapStride: 256,
          into: PlaneTarget(base: target + row * width, stride: planeStride))
      }
    }
  }

  /// block [16, 16], of rows and lanes, := a block of one tap, with zeros beyond the last column.
  private func gather(
    tap: Int, row: Int, count: Int, column: Int, lanes: Int,
    into block: UnsafeMutablePointer<Float>
  ) {
    let source = base + tap * tapStride + row * rowStride + column * columnStride
    if rowStride == 1 && count == 16 && lanes == 16 {
      for lane in 0..<16 { CVectors_prefetch(source + lane * columnStride + 16) }
      transposeBlock(source, rowStride: columnStride, into: block, targetStride: 16)
      return
    }
    block.update(repeating: 0, count: 256)
    for row in 0..<count {
      for lane in 0..<lanes {
        block[row * 16 + lane] = source[row * rowStride + lane * columnStride]
      }
    }
  }
}
