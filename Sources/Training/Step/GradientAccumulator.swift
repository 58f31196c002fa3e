// The gradients of one rank's samples, added in the order of the reduction tree.

import Communication
import Kernels
import Tensors
import Threading

/// The gradient buffers of a rank, as a stack of partial sums.
///
/// With `Reduction.tree` every sample's gradient is computed in a buffer of its own, and added to
/// the one below as soon as the tree says so; after the last sample the stack holds one sum for
/// each node that covers the rank's batch indices. That takes up to 1 + log2(batch indices) buffers, and one for
/// one sample a rank. With `Reduction.fast` all samples accumulate in one buffer.
final class GradientAccumulator {
  /// Elements of a buffer.
  let elementCount: Int

  private let reduction: Reduction
  private let compression: Compression
  private var buffers: [FloatBuffer] = []
  private var tree = ReductionTree(count: 0)
  private var batchIndices = 0..<0
  private var nextBatchIndex = 0
  private var height = 0

  /// The buffers of a rank that takes `batchIndices` of `count` batch indices.
  init(
    elementCount: Int, reduction: Reduction, compression: Compression = .none,
    batchIndices: Range<Int>,
    of count: Int
  ) throws(AllocationError) {
    self.elementCount = elementCount
    self.reduction = reduction
    self.compression = compression
    for _ in 0..<Self.bufferCount(reduction, batchIndices: batchIndices, of: count) {
      try allocate()
    }
  }

  /// The number of buffers that a rank needs which takes `batchIndices` of `count` batch indices.
  static func bufferCount(_ reduction: Reduction, batchIndices: Range<Int>, of count: Int) -> Int {
    reduction == .fast ? 1 : max(1, ReductionTree(count: count).stackHeight(of: batchIndices))
  }

  /// The sums of the samples so far, from the first batch index on; at least one buffer, which is the
  /// first one in every step.
  var sums: [FloatBuffer] { Array(buffers.prefix(max(1, height))) }

  /// Begins a step in which this rank takes `batchIndices` of `count` batch indices.
  ///
  /// Without batch indices the sum of nothing is zeros where the library adds it to the others'; the tree
  /// leaves it out, whatever the buffer holds.
  func begin(batchIndices: Range<Int>, of count: Int, on team: ThreadTeam) {
    tree = ReductionTree(count: count)
    self.batchIndices = batchIndices
    nextBatchIndex = batchIndices.lowerBound
    height = 0
    if reduction == .fast && batchIndices.isEmpty {
      VectorSums.clear(buffers[0].base, count: elementCount, on: team)
    }
  }

  /// The buffer to which the next sample's gradient is to be added.
  func beginSample(
    on team: ThreadTeam
  ) throws(AllocationError) -> UnsafeMutablePointer<Float> {
    if reduction == .fast && height == 1 { return buffers[0].base }
    // The last batch of an epoch has another tree, which may need one more.
    if height == buffers.count { try allocate() }
    height += 1
    VectorSums.clear(buffers[height - 1].base, count: elementCount, on: team)
    return buffers[height - 1].base
  }

  /// The sums that will be there once the newest sample is added up.
  var sumsAfterSample: [FloatBuffer] { Array(buffers.prefix(max(1, height - pendingAdditions))) }

  /// Adds up what the tree says after the newest sample, in `range` of the buffers.
  ///
  /// Its gradient is final there, and is rounded first where it is sent compressed. Every element
  /// must be covered once before ``endSample()``.
  func add(_ range: Range<Int>, on team: ThreadTeam) {
    if compression != .none {
      forEachBlock(of: range, buffers[height - 1].base, on: team) { [compression] base, block in
        GradientSum.round(
          base + block.lowerBound, count: block.count, compression: compression)
      }
    }
    for addition in 0..<pendingAdditions {
      let pair = (buffers[height - 2 - addition].base, buffers[height - 1 - addition].base)
      forEachBlock(of: range, pair, on: team) { [compression] pair, block in
        let target = pair.0 + block.lowerBound
        GradientSum.add(
          target, pair.1 + block.lowerBound, into: target, count: block.count,
          compression: compression)
      }
    }
  }

  /// Ends the sample whose gradient was added up everywhere.
  func endSample() {
    height -= pendingAdditions
    nextBatchIndex += 1
  }

  /// Whether, in `range`, no element of the sums after the newest sample is beyond `limit` in size,
  /// nor infinite or undefined.
  func areWithin(_ limit: Float, _ range: Range<Int>, on team: ThreadTeam) -> Bool {
    sumsAfterSample.allSatisfy {
      VectorBounds.areWithin(limit, $0.base + range.lowerBound, count: range.count, on: team)
    }
  }

  private var pendingAdditions: Int {
    guard reduction == .tree, batchIndices.contains(nextBatchIndex) else { return 0 }
    return tree.additions(after: nextBatchIndex..<nextBatchIndex + 1, from: batchIndices.lowerBound)
  }

  private func allocate() throws(AllocationError) {
    buffers.append(try FloatBuffer(count: elementCount, for: "gradients"))
  }
}

/// Calls `body` with `context` and each block of `range`.
private func forEachBlock<Context>(
  of range: Range<Int>, _ context: Context, on team: ThreadTeam,
  _ body: @escaping (Context, Range<Int>) -> Void
) {
  // A block is long enough to be worth its hand-over and short enough to share out evenly.
  let length = 16_384
  team.forEach((range.count + length - 1) / length, context) { context, item, _ in
    let start = range.lowerBound + item * length
    body(context, start..<min(start + length, range.upperBound))
  }
}
