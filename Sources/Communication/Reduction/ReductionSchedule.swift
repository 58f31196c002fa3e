// Who sends what to whom, and adds what to what, so that a buffer is summed in the tree's order.

/// One rank's part in the sum of a buffer over all ranks, in the order of a ``ReductionTree``.
///
/// Every rank holds one partial sum for each node of the tree that covers its batch indices; the result
/// goes over the first of them (`own(0)`, which a rank without batch indices has as well, with any
/// content). There are three forms, and all give the same bits:
///
/// - *Halving*, where the ranks are 2^k and each holds one node of level k: in round j the ranks
///   that differ in bit j exchange halves of what they still own and add them. 2 k rounds.
/// - *Direct*, for any ranks: every rank owns a chunk, receives all partial sums of it, and adds
///   them up along the tree. 2 rounds of messages to all other ranks.
/// - *Over hosts*, for any ranks of which several share a host: the direct form within each host, then between
///   hosts. 4 rounds.
///
/// The owned chunks are then gathered by the same messages in reverse. For n bytes, p ranks and s
/// partial sums a rank the first two send (1 + s) n (p - 1) / p bytes, with s = 1 in the first form. What goes
/// between hosts is as much as if each of them were one rank: in the first form too, since ranks with nearby
/// numbers are on one host, and add first.
///
/// Source: the first is the algorithm of Rabenseifner (2004), "Optimization of Collective Reduction
/// Operations", with nearest neighbours first, so that its additions are those of the tree.
package struct ReductionSchedule: Sendable {
  /// Where elements lie on this rank.
  package enum Memory: Sendable, Equatable {
    /// In this partial sum of the rank, counted from the buffer's first element.
    case own(Int)
    /// In memory that only the reduction uses.
    case workspace
  }

  /// Consecutive elements.
  package struct Block: Sendable, Equatable {
    /// Where they lie.
    package let memory: Memory
    /// Which they are.
    package let range: Range<Int>
  }

  /// Elements that go to, or come from, another rank.
  package struct Message: Sendable, Equatable {
    /// The elements on this rank.
    package let block: Block
    /// The other rank.
    package let peer: Int
  }

  /// target := left + right, or left alone; `target` may be `left`.
  package struct Addition: Sendable, Equatable {
    /// What is overwritten.
    package let target: Block
    /// What is added.
    package let left: Block
    /// What is added to it, if anything.
    package let right: Block?
  }

  /// Messages that are in flight together, and the additions that follow their arrival.
  package struct Round: Sendable, Equatable {
    /// What this rank sends.
    package var sends: [Message] = []
    /// What it receives.
    package var receives: [Message] = []
    /// What it adds then, in order.
    package var additions: [Addition] = []
    /// Whether what it sends is one block that it needs itself; otherwise it is given away.
    package var keepsSent = false
  }

  /// The rounds after which this rank's `owned` elements of the result are the sums.
  package let reduceRounds: [Round]
  /// The rounds that bring the owned elements of all ranks to all ranks.
  package let gatherRounds: [Round]
  /// The elements that this rank has the sums of between the two.
  package let owned: Range<Int>
  /// Elements of workspace that the rounds use.
  package let workspaceCount: Int
  /// An upper limit of `workspaceCount` that is the same on all ranks.
  package let workspaceLimit: Int

  /// The partial sums of this rank.
  package let partialSumCount: Int

  /// Elements that this rank sends in all rounds.
  package var sentCount: Int {
    (reduceRounds + gatherRounds).reduce(0) {
      $0 + $1.sends.reduce(0) { $0 + $1.block.range.count }
    }
  }

  /// The part of `rank` in the sum of `elementCount` elements.
  ///
  /// `shards` are the batch indices of every rank, one after the other and together all of the tree's.
  /// Chunks begin at multiples of `alignment` elements, by default a cache line of floats. With `hosts` the
  /// schedule is one for values that are sent as they are.
  package init(
    tree: ReductionTree, shards: [Range<Int>], rank: Int, elementCount: Int, alignment: Int = 16,
    hosts: Hosts? = nil
  ) {
    precondition(shards.indices.contains(rank), "rank \(rank) of \(shards.count)")
    precondition(
      zip(shards, shards.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound }
        && shards[0].lowerBound == 0 && shards[shards.count - 1].upperBound == tree.count,
      "shards \(shards) of \(tree.count) batch indices")
    partialSumCount = tree.cover(shards[rank]).count
    if Self.areNodesOfOneLevel(shards, tree) {
      let halving = Self.halving(
        shards, rank: rank, elementCount: elementCount, alignment: alignment)
      (reduceRounds, gatherRounds) = (halving.reduce, halving.gather)
      (owned, workspaceCount) = (halving.owned, halving.workspaceCount)
      workspaceLimit = Self.middle(of: 0..<elementCount, alignment: alignment)
      return
    }
    let nodes = shards.map { tree.cover($0) }
    func chunk(_ rank: Int) -> Range<Int> {
      Self.chunk(rank, of: shards.count, elementCount: elementCount, alignment: alignment)
    }
    owned = chunk(rank)
    let units = (elementCount + alignment - 1) / alignment
    let largestChunk = (units + shards.count - 1) / shards.count * alignment
    let parts = nodes.reduce(0) { $0 + $1.count }
    if let hosts {
      (reduceRounds, gatherRounds, workspaceCount) = Self.overHosts(
        hosts, nodes, tree: tree, rank: rank, chunk: chunk)
      // Of the chunks of other hosts' ranks, which are two runs of numbers, a collector has its share of each,
      // rounded up, and one of its own.
      let collected = hosts.ranks.map { ranks in
        ((shards.count - ranks.count) / ranks.count + 3) * ranks.reduce(0) { $0 + nodes[$1].count }
      }
      workspaceLimit = ((collected.max() ?? 0) + parts) * largestChunk
    } else {
      let direct = Self.direct(nodes, tree: tree, rank: rank, chunk: chunk)
      (reduceRounds, gatherRounds) = ([direct.reduce], [direct.gather])
      workspaceCount = direct.workspaceCount
      workspaceLimit = parts * largestChunk
    }
  }

  /// The elements that `rank` of `ranks` owns in a schedule for the shards of a `ShardedSampler`.
  package static func owned(
    rank: Int, ranks: Int, elementCount: Int, alignment: Int
  ) -> Range<Int> {
    guard ranks & (ranks - 1) == 0 else {
      return chunk(rank, of: ranks, elementCount: elementCount, alignment: alignment)
    }
    var owned = 0..<elementCount
    var distance = 1
    while distance < ranks {
      let middle = middle(of: owned, alignment: alignment)
      owned =
        rank & distance == 0 ? owned.lowerBound..<middle : middle..<owned.upperBound
      distance *= 2
    }
    return owned
  }

  /// Whether rank i of 2^k holds node i of level k.
  private static func areNodesOfOneLevel(_ shards: [Range<Int>], _ tree: ReductionTree) -> Bool {
    let ranks = shards.count
    guard ranks & (ranks - 1) == 0 else { return false }
    return shards.enumerated().allSatisfy { rank, shard in
      shard == rank * tree.count / ranks..<(rank + 1) * tree.count / ranks
    }
  }

  // MARK: Halving

  private static func halving(
    _ shards: [Range<Int>], rank: Int, elementCount: Int, alignment: Int
  ) -> (reduce: [Round], gather: [Round], owned: Range<Int>, workspaceCount: Int) {
    var (reduce, gather): ([Round], [Round]) = ([], [])
    var (owned, workspaceCount) = (0..<elementCount, 0)
    var distance = 1
    while distance < shards.count {
      let peer = rank ^ distance
      let middle = middle(of: owned, alignment: alignment)
      let (low, high) = (owned.lowerBound..<middle, middle..<owned.upperBound)
      let (kept, given) = rank & distance == 0 ? (low, high) : (high, low)
      // What the rank and its peer have the sum of: the node of all ranks that agree above the bit.
      func hasPlaces(_ rank: Int) -> Bool {
        let first = rank & ~(distance - 1)
        return shards[first].lowerBound < shards[first + distance - 1].upperBound
      }
      var round = Round()
      if hasPlaces(rank) && !given.isEmpty {
        round.sends = [Message(block: Block(memory: .own(0), range: given), peer: peer)]
      }
      if hasPlaces(peer) && !kept.isEmpty {
        let result = Block(memory: .own(0), range: kept)
        if hasPlaces(rank) {
          let other = Block(memory: .workspace, range: 0..<kept.count)
          round.receives = [Message(block: other, peer: peer)]
          round.additions = [Addition(target: result, left: result, right: other)]
          workspaceCount = max(workspaceCount, kept.count)
        } else {
          round.receives = [Message(block: result, peer: peer)]
        }
      }
      reduce.append(round)
      var back = Round(keepsSent: true)
      if !kept.isEmpty {
        back.sends = [Message(block: Block(memory: .own(0), range: kept), peer: peer)]
      }
      if !given.isEmpty {
        back.receives = [Message(block: Block(memory: .own(0), range: given), peer: peer)]
      }
      gather.append(back)
      owned = kept
      distance *= 2
    }
    return (reduce, gather.reversed(), owned, workspaceCount)
  }

  private static func middle(of range: Range<Int>, alignment: Int) -> Int {
    let half = (range.count / 2 + alignment - 1) / alignment * alignment
    return range.lowerBound + min(half, range.count)
  }

  // MARK: Direct

  private static func direct(
    _ nodes: [[Range<Int>]], tree: ReductionTree, rank: Int, chunk: (_ rank: Int) -> Range<Int>
  ) -> (reduce: Round, gather: Round, workspaceCount: Int) {
    let ranks = nodes.count
    let owned = chunk(rank)
    var (reduce, gather) = (Round(), Round(keepsSent: true))
    for peer in others(than: rank, of: ranks) where !chunk(peer).isEmpty {
      for sum in nodes[rank].indices {
        reduce.sends.append(
          Message(block: Block(memory: .own(sum), range: chunk(peer)), peer: peer))
      }
      gather.receives.append(
        Message(block: Block(memory: .own(0), range: chunk(peer)), peer: peer))
    }
    guard !owned.isEmpty else { return (reduce, gather, 0) }

    // The values of the tree's nodes, in the order of batch indices: where each lies on this rank.
    var values: [(node: Range<Int>, block: Block)] = []
    var workspaceCount = 0
    for source in nodes.indices {
      for (sum, node) in nodes[source].enumerated() {
        guard source != rank else {
          values.append((node, Block(memory: .own(sum), range: owned)))
          continue
        }
        let block = Block(memory: .workspace, range: workspaceCount..<workspaceCount + owned.count)
        reduce.receives.append(Message(block: block, peer: source))
        values.append((node, block))
        workspaceCount += owned.count
      }
    }
    let result = Block(memory: .own(0), range: owned)
    reduce.additions = additions(of: values, tree: tree, into: result)
    gather.sends = others(than: rank, of: ranks).map { Message(block: result, peer: $0) }
    return (reduce, gather, workspaceCount)
  }

  /// The additions of all nodes of a tree, in the order of batch indices, with the sum in `result` at the end.
  static func additions(
    of values: [(node: Range<Int>, block: Block)], tree: ReductionTree, into result: Block
  ) -> [Addition] {
    var additions: [Addition] = []
    var stack: [Block] = []
    for (node, block) in values {
      stack.append(block)
      for _ in 0..<tree.additions(after: node) {
        let right = stack.removeLast()
        let left = stack.removeLast()
        additions.append(Addition(target: left, left: left, right: right))
        stack.append(left)
      }
    }
    // The whole is put where the result belongs, by the last addition if there is one.
    if let sum = stack.first, sum != result {
      if let last = additions.popLast() {
        additions.append(Addition(target: result, left: last.left, right: last.right))
      } else {
        additions.append(Addition(target: result, left: sum, right: nil))
      }
    }
    return additions
  }

  private static func chunk(
    _ rank: Int, of ranks: Int, elementCount: Int, alignment: Int
  ) -> Range<Int> {
    let units = (elementCount + alignment - 1) / alignment
    return min(
      rank * units / ranks * alignment, elementCount)..<min(
        (rank + 1) * units / ranks * alignment, elementCount)
  }

  /// The other ranks, the next one first, so that not all send to the same one at once.
  private static func others(than rank: Int, of ranks: Int) -> [Int] {
    (1..<max(ranks, 1)).map { (rank + $0) % ranks }
  }
}
