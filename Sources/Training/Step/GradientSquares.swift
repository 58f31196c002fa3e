// The norm of the gradient, from sums over blocks that do not depend on ranks or buckets.

import Kernels
import Tensors
import Threading

/// The sum of squares of each block of a gradient; added in the order of the blocks they give the
/// same norm whoever has computed them, and in whatever order.
final class GradientSquares {
  private let sums: UnsafeMutablePointer<Double>
  private let count: Int
  private let trainedCount: Int
  /// The blocks of each rank's chunks, as many for all ranks as any has.
  private let owners: [[Int]]
  private let largestCount: Int

  /// Room for the blocks of `elementCount` elements of which rank r computes `chunks[r]`, and of
  /// which the first `trainedCount` have gradients.
  ///
  /// - Precondition: chunks begin where blocks do.
  init(elementCount: Int, trainedCount: Int? = nil, chunks: [[Range<Int>]]) {
    self.trainedCount = trainedCount ?? elementCount
    precondition(
      chunks.joined().allSatisfy { $0.lowerBound.isMultiple(of: FloatBuffer.blockSize) },
      "chunks \(chunks) that cut blocks of \(FloatBuffer.blockSize)")
    count = VectorSums.workspaceCount(elementCount)
    sums = .allocate(capacity: count)
    sums.initialize(repeating: 0, count: count)
    owners = chunks.map { chunks in
      chunks.flatMap {
        VectorSums.workspaceCount($0.lowerBound)..<VectorSums.workspaceCount($0.upperBound)
      }
    }
    largestCount = owners.map(\.count).max() ?? 0
  }

  deinit { sums.deallocate() }

  /// The Euclidean norm, where every block is known.
  var norm: Double {
    UnsafeBufferPointer(start: sums, count: count).reduce(0, +).squareRoot()
  }

  /// Computes the blocks of `range`; those behind the last gradient stay 0.
  ///
  /// - Precondition: `range` begins where a block does.
  func add(_ gradients: FloatBuffer, _ range: Range<Int>, on team: ThreadTeam) {
    guard !range.isEmpty else { return }
    precondition(
      range.lowerBound.isMultiple(of: FloatBuffer.blockSize),
      "squares of \(range), which cuts a block of \(FloatBuffer.blockSize)")
    _ = VectorSums.squares(
      gradients.base + range.lowerBound,
      count: max(0, min(range.upperBound, trainedCount) - range.lowerBound),
      workspace: sums + VectorSums.workspaceCount(range.lowerBound), on: team)
  }

  /// The blocks that `rank` computes, with zeros behind them up to the count that all ranks have.
  func blocks(of rank: Int) -> [Double] {
    let own = owners[rank].map { sums[$0] }
    return own + [Double](repeating: 0, count: largestCount - own.count)
  }

  /// Takes over the blocks that `rank` has computed.
  func setBlocks(of rank: Int, _ values: some Sequence<Double>) {
    for (block, value) in zip(owners[rank], values) { sums[block] = value }
  }
}
