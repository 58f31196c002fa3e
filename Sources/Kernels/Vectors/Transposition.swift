// Matrices turned about their diagonal, sixteen by sixteen in registers.

/// target(column, row) := source(row, column) for a block of 16 x 16.
///
/// Four rounds of interleaving row i with row i + 8, each a perfect shuffle of the block, bring
/// every value to its place.
@inline(__always)
func transposeBlock(
  _ source: UnsafePointer<Float>, rowStride: Int, into target: UnsafeMutablePointer<Float>,
  targetStride: Int
) {
  var rows = (
    source.vector(0), source.vector(rowStride), source.vector(2 &* rowStride),
    source.vector(3 &* rowStride), source.vector(4 &* rowStride), source.vector(5 &* rowStride),
    source.vector(6 &* rowStride), source.vector(7 &* rowStride), source.vector(8 &* rowStride),
    source.vector(9 &* rowStride), source.vector(10 &* rowStride),
    source.vector(11 &* rowStride), source.vector(12 &* rowStride),
    source.vector(13 &* rowStride), source.vector(14 &* rowStride),
    source.vector(15 &* rowStride)
  )
  for _ in 0..<4 {
    rows = (
      lowInterleaved(rows.0, rows.8), highInterleaved(rows.0, rows.8),
      lowInterleaved(rows.1, rows.9), highInterleaved(rows.1, rows.9),
      lowInterleaved(rows.2, rows.10), highInterleaved(rows.2, rows.10),
      lowInterleaved(rows.3, rows.11), highInterleaved(rows.3, rows.11),
      lowInterleaved(rows.4, rows.12), highInterleaved(rows.4, rows.12),
      lowInterleaved(rows.5, rows.13), highInterleaved(rows.5, rows.13),
      lowInterleaved(rows.6, rows.14), highInterleaved(rows.6, rows.14),
      lowInterleaved(rows.7, rows.15), highInterleaved(rows.7, rows.15)
    )
  }
  target.store(rows.0, at: 0)
  target.store(rows.1, at: targetStride)
  target.store(rows.2, at: 2 &* targetStride)
  target.store(rows.3, at: 3 &* targetStride)
  target.store(rows.4, at: 4 &* targetStride)
  target.store(rows.5, at: 5 &* targetStride)
  target.store(rows.6, at: 6 &* targetStride)
  target.store(rows.7, at: 7 &* targetStride)
  target.store(rows.8, at: 8 &* targetStride)
  target.store(rows.9, at: 9 &* targetStride)
  target.store(rows.10, at: 10 &* targetStride)
  target.store(rows.11, at: 11 &* targetStride)
  target.store(rows.12, at: 12 &* targetStride)
  target.store(rows.13, at: 13 &* targetStride)
  target.store(rows.14, at: 14 &* targetStride)
  target.store(rows.15, at: 15 &* targetStride)
}

@inline(__always)
private func lowInterleaved(_ a: Vector, _ b: Vector) -> Vector {
  var result = Vector.zero
  result.evenHalf = a.lowHalf
  result.oddHalf = b.lowHalf
  return result
}

@inline(__always)
private func highInterleaved(_ a: Vector, _ b: Vector) -> Vector {
  var result = Vector.zero
  result.evenHalf = a.highHalf
  result.oddHalf = b.highHalf
  return result
}
