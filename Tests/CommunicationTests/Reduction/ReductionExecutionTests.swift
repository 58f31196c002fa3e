// Schedules that are carried out by messages, on ranks that are threads of this process.

import Communication
import Randomness
import TestSupport
import Testing

@Suite struct ReductionExecutionTests {
  /// A random sum: ranks, batch indices of the tree, elements.
  struct Example: Sendable, CustomStringConvertible {
    let ranks: Int
    let batchIndices: Int
    let elementCount: Int
    let alignment: Int

    init(seed: UInt64) {
      var stream = RandomStream(seed: seed, purpose: .shuffle)
      ranks = 2 + stream.integer(below: 5)
      batchIndices = 1 + stream.integer(below: 12)
      elementCount = [1, 15, 16, 17, 100, 1_000, 4_097][stream.integer(below: 7)]
      alignment = [1, 16, 64][stream.integer(below: 3)]
    }

    var description: String {
      "\(elementCount) elements of \(batchIndices) batch indices on \(ranks) ranks, chunks of \(alignment)"
    }

    var addends: Addends { Addends(batchIndices: batchIndices, elementCount: elementCount) }
    var shards: [Range<Int>] { evenShards(of: batchIndices, ranks: ranks) }

    func schedule(_ rank: Int) -> ReductionSchedule {
      ReductionSchedule(
        tree: ReductionTree(count: batchIndices), shards: shards, rank: rank,
        elementCount: elementCount, alignment: alignment)
    }

    /// The partial sums of a rank; a buffer of any content where it has no batch index.
    func partialSums(_ rank: Int) -> [[Float]] {
      let sums = ReductionTree(count: batchIndices).cover(shards[rank]).map {
        addends.sum(over: $0)
      }
      return sums.isEmpty ? [[Float](repeating: .nan, count: elementCount)] : sums
    }
  }

  /// Partial sums in memory that stays where it is.
  private final class Buffers {
    let pointers: [UnsafeMutablePointer<Float>]
    let count: Int

    init(_ values: [[Float]]) {
      count = values.first?.count ?? 0
      pointers = values.map { values in
        let pointer = UnsafeMutablePointer<Float>.allocate(capacity: values.count)
        pointer.initialize(from: values, count: values.count)
        return pointer
      }
    }

    deinit { for pointer in pointers { pointer.deallocate() } }

    var first: [Float] { Array(UnsafeBufferPointer(start: pointers[0], count: count)) }
  }

  private static func finish(_ executions: [ReductionExecution]) throws {
    var backoff = Backoff()
    while !(try executions.reduce(true) { try $1.advance() && $0 }) { backoff.pause() }
  }

  @Test(arguments: 0..<40 as Range<UInt64>)
  func everyRankHasTheBitsOfTheTree(_ seed: UInt64) throws {
    let example = Example(seed: seed)
    let expected = example.addends.sum().map(\.bitPattern)
    let outcomes = ThreadedCommunicator.run(ranks: example.ranks) { communicator in
      let schedule = example.schedule(communicator.rank)
      let buffers = Buffers(example.partialSums(communicator.rank))
      let execution = ReductionExecution(communicator: communicator, tag: 3)
      try execution.begin(
        schedule.reduceRounds + schedule.gatherRounds, of: schedule, own: buffers.pointers)
      try Self.finish([execution])
      #expect(execution.sentByteCount == 4 * schedule.sentCount, "\(example)")
      return buffers.first.map(\.bitPattern)
    }
    for outcome in outcomes { #expect(try outcome.get() == expected, "\(example)") }
  }

  /// Two sums side by side, and one after the other with the same workspace.
  @Test(arguments: 40..<60 as Range<UInt64>)
  func sumsSideBySideDoNotMix(_ seed: UInt64) throws {
    let first = Example(seed: seed)
    let second = (0..<100 as Range<UInt64>).lazy.map { Example(seed: seed + 1_000 + $0) }
      .first { $0.ranks == first.ranks }
    let examples = [first, try #require(second)]
    let expected = examples.map { $0.addends.sum().map(\.bitPattern) }
    let outcomes = ThreadedCommunicator.run(ranks: first.ranks) { communicator in
      let executions = (0..<2).map {
        ReductionExecution(communicator: communicator, tag: 10 + $0)
      }
      // In the second round each takes the other's sum.
      return try (0..<2).map { round -> [[UInt32]] in
        let order = round == 0 ? examples : examples.reversed()
        let buffers = order.map { Buffers($0.partialSums(communicator.rank)) }
        for index in 0..<2 {
          let schedule = order[index].schedule(communicator.rank)
          try executions[index].begin(
            schedule.reduceRounds + schedule.gatherRounds, of: schedule,
            own: buffers[index].pointers)
        }
        try Self.finish(executions)
        return buffers.map { $0.first.map(\.bitPattern) }
      }
    }
    for outcome in outcomes {
      let rounds = try outcome.get()
      #expect(rounds[0] == expected, "\(examples)")
      #expect(rounds[1] == expected.reversed(), "\(examples)")
    }
  }
}
