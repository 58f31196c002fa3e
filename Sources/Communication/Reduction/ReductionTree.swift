// The fixed order in which what belongs to the batch indices of a global batch is added.

/// A binary tree over the batch indices 0..<count of a global batch; it depends on `count` alone.
///
/// Node i of level k covers the batch indices
///
///     floor(i count / 2^k) ..< floor((i + 1) count / 2^k)
///
/// and its children are the nodes 2i and 2i + 1 of level k + 1. The value of a node is the sum of
/// its children's values; a child without batch indices adds nothing, not even a zero, because -0 + 0 is
/// another bit pattern than -0. With 2^k ranks that take even shards (`ShardedSampler.batchIndices`) rank
/// i holds exactly node i of level k, whatever the count is; any other contiguous shard is the union
/// of at most two nodes of each level. So a rank can add up complete nodes by itself, and the rest
/// of the same tree adds the ranks' nodes: the bits do not depend on the number of ranks.
package struct ReductionTree: Sendable, Hashable {
  /// The batch indices of the batch.
  package let count: Int

  /// The tree over `count` batch indices.
  ///
  /// - Precondition: `count` is not negative.
  package init(count: Int) {
    precondition(count >= 0, "a tree over \(count) batch indices")
    self.count = count
  }

  /// The fewest nodes that together cover `batchIndices`, ascending; each as the batch indices it covers.
  ///
  /// - Complexity: O(log count) nodes are visited for each one returned.
  package func cover(_ batchIndices: Range<Int>) -> [Range<Int>] {
    var nodes: [Range<Int>] = []
    func visit(level: Int, index: Int) {
      let node = self.batchIndices(level: level, index: index)
      guard !node.isEmpty, node.overlaps(batchIndices) else { return }
      if batchIndices.lowerBound <= node.lowerBound && node.upperBound <= batchIndices.upperBound {
        nodes.append(node)
        return
      }
      visit(level: level + 1, index: 2 * index)
      visit(level: level + 1, index: 2 * index + 1)
    }
    visit(level: 0, index: 0)
    return nodes
  }

  /// How many additions follow when `node` is known, where nodes come in ascending order from
  /// `start` on: each adds the newest value to the one before it.
  ///
  /// It is the number of nodes that end where `node` ends and begin before it, though not before
  /// `start`. Who keeps the values in a stack so has one for each node of the cover in the end.
  ///
  /// - Precondition: `node` is one of the tree's and not empty.
  package func additions(after node: Range<Int>, from start: Int = 0) -> Int {
    let last = node.upperBound - 1
    precondition(0..<count ~= last, "batch indices \(node) of \(count)")
    var (level, index, additions) = (0, 0, 0)
    while true {
      let ancestor = batchIndices(level: level, index: index)
      guard ancestor.lowerBound < node.lowerBound else { return additions }
      if ancestor.upperBound == node.upperBound && ancestor.lowerBound >= start { additions += 1 }
      let left = batchIndices(level: level + 1, index: 2 * index)
      level += 1
      index = 2 * index + (left.contains(last) ? 0 : 1)
    }
  }

  /// The values that are held at once, at most, while the single batch indices in `batchIndices` are added up.
  ///
  /// - Complexity: O(log count) for each batch index.
  package func stackHeight(of batchIndices: Range<Int>) -> Int {
    var (height, highest) = (0, 0)
    for batchIndex in batchIndices {
      height += 1
      highest = max(highest, height)
      height -= additions(after: batchIndex..<batchIndex + 1, from: batchIndices.lowerBound)
    }
    return highest
  }

  private func batchIndices(level: Int, index: Int) -> Range<Int> {
    (index * count) >> level..<((index + 1) * count) >> level
  }
}
