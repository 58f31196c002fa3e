// The norm of the gradient, from sums over pieces that do not depend on ranks or buckets.

import Kernels
import Tensors
import Threading

/// The sum of squares of each piece of a gradient; added in the order of the pieces they give the
/// same norm whoever has computed them, and in whatever order.
final class GradientSquares {
  private let sums: UnsafeMutablePointer<Double>
  private let count: Int
  /// The pieces of each rank's slices, as many for all ranks as any has.
  private let owners: [[Int]]
  private let largestCount: Int

  /// Room for the pieces of `elementCount` elements of which rank r computes `slices[r]`.
  ///
  /// - Precondition: slices begin where pieces do.
  init(elementCount: Int, slices: [[Range<Int>]]) {
    precondition(
      slices.joined().allSatisfy { $0.lowerBound.isMultiple(of: FloatBuffer.blockSize) },
      "slices \(slices) that cut blocks of \(FloatBuffer.blockSize)")
    count = VectorSums.workspaceCount(elementCount)
    sums = .allocate(capacity: count)
    sums.initialize(repeating: 0, count: count)
    owners = slices.map { slices in
      slices.flatMap {
        VectorSums.workspaceCount($0.lowerBound)..<VectorSums.workspaceCount($0.upperBound)
      }
    }
    largestCount = owners.map(\.count).max() ?? 0
  }

  deinit { sums.deallocate() }

  /// The Euclidean norm, where every piece is known.
  var norm: Double {
    UnsafeBufferPointer(start: sums, count: count).reduce(0, +).squareRoot()
  }

  /// Computes the pieces of `range`.
  ///
  /// - Precondition: `range` begins where a piece does.
  func add(_ gradients: FloatBuffer, _ range: Range<Int>, on team: ThreadTeam) {
    guard !range.isEmpty else { return }
    precondition(
      range.lowerBound.isMultiple(of: FloatBuffer.blockSize),
      "squares of \(range), which cuts a block of \(FloatBuffer.blockSize)")
    _ = VectorSums.squares(
      gradients.base + range.lowerBound, count: range.count,
      workspace: sums + VectorSums.workspaceCount(range.lowerBound), on: team)
  }

  /// The pieces that `rank` computes, with zeros behind them up to the count that all ranks have.
  func pieces(of rank: Int) -> [Double] {
    let own = owners[rank].map { sums[$0] }
    return own + [Double](repeating: 0, count: largestCount - own.count)
  }

  /// Takes over the pieces that `rank` has computed.
  func setPieces(of rank: Int, _ values: some Sequence<Double>) {
    for (piece, value) in zip(owners[rank], values) { sums[piece] = value }
  }
}
