// The messages and additions of a reduction, carried out for many ranks in one process.

import Communication
import Testing

@Suite struct ReductionScheduleTests {
  static let counts = [1, 2, 3, 5, 8, 12, 24, 37, 96]

  @Test(arguments: counts) func sameBitsForEveryNumberOfRanks(_ count: Int) {
    let addends = Addends(batchIndices: count, elementCount: 100)
    let alone = addends.sum()
    for ranks in Array(1...12) + [16, 17, 24, 31, 32, 64] {
      let reduction = SimulatedReduction(addends, ranks: ranks)
      for (rank, result) in reduction.results.enumerated() {
        #expect(result.map(\.bitPattern) == alone.map(\.bitPattern), "rank \(rank) of \(ranks)")
      }
    }
  }

  /// The first ranks of hosts of these sizes.
  static func leaders(_ sizes: [Int]) -> [Int] {
    var leaders: [Int] = []
    for size in sizes { leaders += [Int](repeating: leaders.count, count: size) }
    return leaders
  }

  @Test(arguments: [
    [3, 3], [1, 2], [2, 1], [4, 4, 4], [5, 1, 2], [1, 1, 3], [8, 8, 8], [2, 2, 2, 2, 2], [4, 4],
  ])
  func sameBitsForEveryDivisionIntoHosts(_ sizes: [Int]) throws {
    let leaders = Self.leaders(sizes)
    let hosts = try #require(ReductionSchedule.Hosts(leaders: leaders))
    for count in Self.counts {
      let addends = Addends(batchIndices: count, elementCount: 100)
      let alone = addends.sum()
      for alignment in [1, 16] {
        let reduction = SimulatedReduction(
          addends, ranks: leaders.count, alignment: alignment, hosts: hosts)
        for (rank, result) in reduction.results.enumerated() {
          #expect(
            result.map(\.bitPattern) == alone.map(\.bitPattern), "rank \(rank) of \(sizes)")
        }
      }
    }
  }

  /// What goes between hosts is what it would be if each of them were one rank, if each host's batch indices are
  /// one node of the tree: 2 n (h - 1).
  @Test(arguments: [
    ([4, 4], 8), ([8, 8], 64), ([3, 3], 6), ([2, 2, 2, 2], 8), ([5, 5], 10), ([3, 3, 3, 3], 24),
  ])
  func betweenHostsGoesWhatOneRankEachWouldSend(sizes: [Int], count: Int) throws {
    let leaders = Self.leaders(sizes)
    let elementCount = 16 * leaders.count * 10
    let tree = ReductionTree(count: count)
    let shards = evenShards(of: count, ranks: leaders.count)
    var (across, inside) = (0, 0)
    for rank in leaders.indices {
      let schedule = ReductionSchedule(
        tree: tree, shards: shards, rank: rank, elementCount: elementCount,
        hosts: ReductionSchedule.Hosts(leaders: leaders))
      for message in (schedule.reduceRounds + schedule.gatherRounds).flatMap(\.sends) {
        if leaders[message.peer] == leaders[rank] {
          inside += message.block.range.count
        } else {
          across += message.block.range.count
        }
      }
    }
    #expect(across == 2 * elementCount * (sizes.count - 1))
    #expect(inside > 0)
  }

  @Test func hostsThatGainNothingAreNone() {
    for leaders in [[0, 0, 0], [0, 1, 2], [0, 1, 0, 1], [0], []] {
      #expect(ReductionSchedule.Hosts(leaders: leaders) == nil)
    }
  }

  @Test func ranksOfAHostBecomeNeighbours() {
    // As they were launched in turn on three hosts, of which the last has one slot fewer.
    let order = HostOrder(leaders: [0, 1, 2, 0, 1, 2, 0, 1])
    #expect((0..<8).map { order.rank(ofLaunched: $0) } == [0, 3, 6, 1, 4, 7, 2, 5])
    #expect(order.leaders == [0, 0, 0, 3, 3, 3, 6, 6] && !order.isAsLaunched)
    #expect(HostOrder(leaders: [0, 0, 2, 2]).isAsLaunched)
    #expect(HostOrder(leaders: [0, 0, 2, 2]).leaders == [0, 0, 2, 2])
  }

  /// One sample a rank, on as many ranks as a large machine has.
  @Test(arguments: [96, 100, 256, 1000, 1024, 4096]) func manyRanks(_ ranks: Int) {
    let addends = Addends(batchIndices: ranks, elementCount: 20)
    let alone = addends.sum()
    let reduction = SimulatedReduction(addends, ranks: ranks, alignment: 1)
    #expect(reduction.results.allSatisfy { $0.map(\.bitPattern) == alone.map(\.bitPattern) })
  }

  /// A sum by another order differs somewhere, else the tests above show nothing.
  @Test func theOrderMatters() {
    let addends = Addends(batchIndices: 24, elementCount: 100)
    let inTurn = (0..<100).map { index in addends.values.reduce(0) { $0 + $1[index] } }
    #expect(inTurn != addends.sum())
  }

  @Test func theSignOfZeroSurvives() {
    let addends = Addends(values: [[Float](repeating: -0.0, count: 40)])
    for ranks in 1...5 {
      for result in SimulatedReduction(addends, ranks: ranks).results {
        #expect(result.allSatisfy { $0.sign == .minus }, "\(ranks) ranks")
      }
    }
  }

  /// (1 + s) n (p - 1) / p, where the chunks divide evenly.
  @Test(arguments: [(2, 24), (3, 3), (4, 24), (5, 5), (6, 24), (7, 7), (8, 8), (8, 24), (64, 64)])
  func bytesAreThoseOfTheFormula(ranks: Int, count: Int) {
    let elementCount = 16 * ranks * 10
    let tree = ReductionTree(count: count)
    let shards = evenShards(of: count, ranks: ranks)
    var total = 0
    for rank in 0..<ranks {
      let schedule = ReductionSchedule(
        tree: tree, shards: shards, rank: rank, elementCount: elementCount)
      let sums = tree.cover(shards[rank]).count
      #expect(schedule.partialSumCount == sums)
      #expect(schedule.sentCount == (1 + sums) * elementCount * (ranks - 1) / ranks, "rank \(rank)")
      total += schedule.sentCount
    }
    if ranks & (ranks - 1) == 0 || count == ranks {
      #expect(total == 2 * elementCount * (ranks - 1))
    }
  }

  @Test func ownedChunksCoverTheBufferOnce() {
    for ranks in [1, 2, 3, 6, 8, 16] {
      let chunks = (0..<ranks).map {
        ReductionSchedule(
          tree: ReductionTree(count: ranks), shards: evenShards(of: ranks, ranks: ranks), rank: $0,
          elementCount: 1000, alignment: 64
        ).owned
      }
      let ordered = chunks.filter { !$0.isEmpty }.sorted { $0.lowerBound < $1.lowerBound }
      #expect(ordered.first?.lowerBound == 0 && ordered.last?.upperBound == 1000)
      #expect(zip(ordered, ordered.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
      #expect(ordered.allSatisfy { $0.lowerBound.isMultiple(of: 64) })
    }
  }
}

@Suite struct ReductionTreeTests {
  @Test func aNodeOfEachLevelForPowersOfTwo() {
    for count in [1, 3, 5, 24, 100] {
      for ranks in [1, 2, 4, 8, 16] {
        for shard in evenShards(of: count, ranks: ranks) {
          #expect(ReductionTree(count: count).cover(shard) == (shard.isEmpty ? [] : [shard]))
        }
      }
    }
  }

  @Test func coversAreNodesInOrder() {
    #expect(ReductionTree(count: 24).cover(0..<8) == [0..<6, 6..<7, 7..<8])
    #expect(ReductionTree(count: 24).cover(8..<16) == [8..<9, 9..<12, 12..<15, 15..<16])
    #expect(ReductionTree(count: 24).cover(3..<3) == [])
    #expect(ReductionTree(count: 0).cover(0..<0) == [])
  }

  @Test func heightsOfTheStack() {
    #expect(ReductionTree(count: 1).stackHeight(of: 0..<1) == 1)
    #expect(ReductionTree(count: 2).stackHeight(of: 0..<2) == 2)
    #expect(ReductionTree(count: 8).stackHeight(of: 0..<8) == 4)
    #expect(ReductionTree(count: 8).stackHeight(of: 4..<5) == 1)
    #expect(ReductionTree(count: 8).stackHeight(of: 3..<3) == 0)
    #expect(ReductionTree(count: 24).stackHeight(of: 0..<24) == 6)
  }

  /// The stack of additions leaves exactly the cover.
  @Test func additionsMakeTheCover() {
    for count in 1...40 {
      let tree = ReductionTree(count: count)
      for start in 0..<count {
        for end in start + 1...count {
          var stack: [Range<Int>] = []
          for batchIndex in start..<end {
            stack.append(batchIndex..<batchIndex + 1)
            for _ in 0..<tree.additions(after: batchIndex..<batchIndex + 1, from: start) {
              let right = stack.removeLast()
              let left = stack.removeLast()
              stack.append(left.lowerBound..<right.upperBound)
            }
          }
          #expect(stack == tree.cover(start..<end), "\(start)..<\(end) of \(count)")
        }
      }
    }
  }
}

/// The shards that `ShardedSampler` gives the ranks.
func evenShards(of count: Int, ranks: Int) -> [Range<Int>] {
  (0..<ranks).map { $0 * count / ranks..<($0 + 1) * count / ranks }
}

/// What each batch index adds, of sizes so different that the order of sums shows.
struct Addends {
  let values: [[Float]]

  init(values: [[Float]]) { self.values = values }

  init(batchIndices: Int, elementCount: Int) {
    values = (0..<batchIndices).map { batchIndex in
      (0..<elementCount).map { index in
        let number = (batchIndex * 7919 + index * 104_729 + 13) % 10_007
        return (number.isMultiple(of: 2) ? 1 : -1) / (1 + Float(number))
      }
    }
  }

  /// The sum over the whole tree, by its definition.
  func sum() -> [Float] { sum(level: 0, node: 0) ?? [] }

  /// The sum over `batchIndices`, which are a node of the tree.
  func sum(over batchIndices: Range<Int>) -> [Float] {
    var (level, node) = (0, 0)
    while true {
      if range(level, node) == batchIndices { return sum(level: level, node: node) ?? [] }
      level += 1
      node = range(level, 2 * node).upperBound > batchIndices.lowerBound ? 2 * node : 2 * node + 1
    }
  }

  private func range(_ level: Int, _ node: Int) -> Range<Int> {
    (node * values.count) >> level..<((node + 1) * values.count) >> level
  }

  private func sum(level: Int, node: Int) -> [Float]? {
    let batchIndices = range(level, node)
    if batchIndices.count <= 1 { return batchIndices.first.map { values[$0] } }
    let left = sum(level: level + 1, node: 2 * node)
    let right = sum(level: level + 1, node: 2 * node + 1)
    guard let left, let right else { return left ?? right }
    return zip(left, right).map { $0 + $1 }
  }
}

/// The schedules of all ranks, carried out round by round with plain copies.
private struct SimulatedReduction {
  /// The buffer of each rank at the end.
  let results: [[Float]]

  init(_ addends: Addends, ranks: Int, alignment: Int = 16, hosts: ReductionSchedule.Hosts? = nil) {
    let count = addends.values.count
    let elementCount = addends.values[0].count
    let tree = ReductionTree(count: count)
    let shards = evenShards(of: count, ranks: ranks)
    let schedules = (0..<ranks).map {
      ReductionSchedule(
        tree: tree, shards: shards, rank: $0, elementCount: elementCount, alignment: alignment,
        hosts: hosts)
    }
    precondition(schedules.allSatisfy { $0.workspaceCount <= $0.workspaceLimit })
    precondition(Set(schedules.map(\.workspaceLimit)).count == 1)
    var own = shards.map { shard in tree.cover(shard).map { addends.sum(over: $0) } }
    // A rank without batch indices has a buffer all the same, of any content.
    for rank in 0..<ranks where own[rank].isEmpty {
      own[rank] = [[Float](repeating: .nan, count: elementCount)]
    }
    var workspace = schedules.map { [Float](repeating: .nan, count: $0.workspaceCount) }
    let rounds = schedules.map { $0.reduceRounds + $0.gatherRounds }

    func read(_ block: ReductionSchedule.Block, _ rank: Int) -> [Float] {
      switch block.memory {
      case .own(let sum): Array(own[rank][sum][block.range])
      case .workspace: Array(workspace[rank][block.range])
      }
    }
    func write(_ values: [Float], _ block: ReductionSchedule.Block, _ rank: Int) {
      precondition(values.count == block.range.count)
      switch block.memory {
      case .own(let sum): own[rank][sum].replaceSubrange(block.range, with: values)
      case .workspace: workspace[rank].replaceSubrange(block.range, with: values)
      }
    }
    for round in rounds[0].indices {
      var letters: [[[[Float]]]] = []
      var positions: [[Int: Int]] = []
      for rank in 0..<ranks {
        // By receiver, in the order of sending.
        var sent: [[[Float]]] = []
        var position: [Int: Int] = [:]
        for message in rounds[rank][round].sends {
          if position[message.peer] == nil {
            position[message.peer] = sent.count
            sent.append([])
          }
          sent[position[message.peer] ?? 0].append(read(message.block, rank))
        }
        letters.append(sent)
        positions.append(position)
      }
      var received = (0..<ranks).map { _ in [Int: Int]() }
      for rank in 0..<ranks {
        for message in rounds[rank][round].receives {
          let number = received[rank][message.peer, default: 0]
          received[rank][message.peer] = number + 1
          let position = positions[message.peer][rank] ?? 0
          write(letters[message.peer][position][number], message.block, rank)
        }
        for addition in rounds[rank][round].additions {
          let left = read(addition.left, rank)
          let right = addition.right.map { read($0, rank) }
          write(right.map { zip(left, $0).map { $0 + $1 } } ?? left, addition.target, rank)
        }
      }
      // Nothing is sent that nobody receives.
      for rank in 0..<ranks {
        for (peer, position) in positions[rank] {
          precondition(received[peer][rank] == letters[rank][position].count, "a lost message")
        }
      }
    }
    results = own.map { $0[0] }
  }
}

@Suite struct GradientSumTests {
  /// Against the definition: the nearest of the values with 16 bits, the even one of two.
  @Test func roundsToTheNearestBFloat16() {
    var values: [Float] = [0, -0.0, 1, -1.5, .infinity, -.infinity, 3.4e38]
    for step in 0..<2000 {
      let bits = UInt32(truncatingIfNeeded: step &* 2_654_435_761)
      let value = Float(bitPattern: bits)
      if !value.isNaN { values.append(value) }
    }
    values += [Float.leastNonzeroMagnitude, -Float.leastNormalMagnitude / 3]
    // Ties, of which the even one is below and above.
    values += [Float(bitPattern: 0x3F80_8000), Float(bitPattern: 0x3F81_8000)]
    var rounded = values
    let count = rounded.count
    rounded.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      GradientSum.round(base, count: count, compression: .bf16)
    }
    for (value, result) in zip(values, rounded) {
      let low = value.bitPattern & 0xFFFF_0000
      let lower = Float(bitPattern: low)
      let upper = Float(bitPattern: low &+ 0x1_0000)
      guard value.isFinite && value != lower else {
        #expect(result.bitPattern == value.bitPattern, "\(value)")
        continue
      }
      // By bits, since the distance to infinity is none; the halves lie 0x10000 apart.
      let distance = value.bitPattern - low
      let isLow = distance < 0x8000 || distance == 0x8000 && (low >> 16).isMultiple(of: 2)
      #expect(result.bitPattern == (isLow ? lower : upper).bitPattern, "\(value)")
    }
  }

  @Test func notANumberStaysSo() {
    var values = [Float](repeating: 1, count: 40)
    for (index, bits) in [UInt32(0x7F80_0001), 0xFFFF_FFFF, 0x7FC0_0000].enumerated() {
      values[index * 13] = Float(bitPattern: bits)
    }
    values.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      GradientSum.round(base, count: 40, compression: .bf16)
    }
    for (index, value) in values.enumerated() {
      #expect(value.isNaN == [0, 13, 26].contains(index))
    }
  }
}
