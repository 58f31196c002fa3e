// Buckets that a thread of their own exchanges, let go in random portions.

import Communication
import Foundation
import Randomness
import Tensors
import TestSupport
import Testing

extension FloatBuffer {
  fileprivate convenience init(_ values: [Float]) {
    self.init(count: values.count)
    _ = floats.update(fromContentsOf: values)
  }
}

@Suite(.serialized) struct ExchangeThreadTests {
  private static let elementCount = 20_000
  private static let batchIndices = 5

  private static func exchange(_ communicator: any Communicator) -> BucketExchange {
    BucketExchange(
      communicator: communicator,
      buckets: GradientBuckets(elementCount: elementCount, byteCount: 8 << 10),
      reduction: .tree, compression: .none, alignment: 16)
  }

  @Test(arguments: 0..<12 as Range<UInt64>)
  func sumsAndGathersInAnyPortions(_ seed: UInt64) throws {
    let ranks = 2 + Int(seed % 3)
    let shards = evenShards(of: Self.batchIndices, ranks: ranks)
    let addends = Addends(batchIndices: Self.batchIndices, elementCount: Self.elementCount)
    let expected = addends.sum()
    let outcomes = ThreadedCommunicator.run(ranks: ranks) { communicator in
      // Each rank lets its buckets go in portions of its own.
      var stream = RandomStream(seed: seed, purpose: .shuffle, sample: communicator.rank)
      let thread = try #require(ExchangeThread(Self.exchange(communicator)))
      defer { thread.close() }
      let bucketCount = GradientBuckets(
        elementCount: Self.elementCount, byteCount: 8 << 10
      ).ranges.count
      for step in 0..<3 {
        let own = ReductionTree(count: Self.batchIndices).cover(shards[communicator.rank])
          .map { FloatBuffer(addends.sum(over: $0)) }
        thread.begin { $0.begin(own.map(\.floats), shards: shards, phase: .all) }
        #expect(thread.hasFinished)
        var count = 0
        while count < bucketCount {
          count = min(bucketCount, count + 1 + stream.integer(below: 4))
          thread.enqueue(count)
          if stream.coin() { try thread.wait(for: count - stream.integer(below: 2)) }
        }
        try Self.checkGather(thread, communicator, step: step)
        try thread.wait(for: bucketCount)
        #expect(thread.hasFinished)
        let isSum = withExtendedLifetime(own) { own[0].floats.elementsEqual(expected) }
        #expect(isSum, "step \(step), seed \(seed)")
      }
    }
    for outcome in outcomes { try outcome.get() }
  }

  /// Gathers two numbers a rank beside the buckets.
  private static func checkGather(
    _ thread: ExchangeThread, _ communicator: any Communicator, step: Int
  ) throws {
    let exchange = Self.exchange(communicator)
    let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2 * communicator.size)
    defer { values.deallocate() }
    values.initialize(repeating: .nan)
    let own = exchange.gatherOffset(of: communicator.rank, count: 2)
    values[own] = Float(communicator.rank)
    values[own + 1] = Float(step)
    thread.enqueue(values, count: 2)
    try thread.waitForGather()
    for rank in 0..<communicator.size {
      let offset = exchange.gatherOffset(of: rank, count: 2)
      #expect(values[offset] == Float(rank) && values[offset + 1] == Float(step))
    }
  }

  /// Where a peer is lost every wait ends with the failure, and so does the thread.
  @Test func aFailureEndsEveryWait() throws {
    let communicator = LostCommunicator(rank: 0, size: 2)
    let thread = try #require(ExchangeThread(Self.exchange(communicator)))
    let gradients = FloatBuffer(count: Self.elementCount)
    thread.begin { $0.begin([gradients.floats], shards: [0..<1, 1..<2], phase: .all) }
    thread.enqueue(3)
    #expect(throws: MPIError.self) { try thread.wait(for: 1) }
    #expect(throws: MPIError.self) { try thread.wait(for: 3) }
    #expect(thread.hasFinished)
    thread.close()
    withExtendedLifetime(gradients) {}
  }

  /// A run that ends in the middle of a step gives up what is in flight.
  @Test(.timeLimit(.minutes(1))) func closesWithBucketsInFlight() throws {
    let outcomes = ThreadedCommunicator.run(ranks: 2) { communicator in
      let thread = try #require(ExchangeThread(Self.exchange(communicator)))
      let gradients = FloatBuffer(count: Self.elementCount)
      if communicator.rank == 0 {
        thread.begin { $0.begin([gradients.floats], shards: [0..<1, 1..<2], phase: .all) }
        thread.enqueue(2)
        usleep(20_000)
        #expect(!thread.hasFinished)
      }
      thread.close()
      // The other rank's messages may still be copied to this memory.
      try? communicator.barrier()
    }
    for outcome in outcomes { try outcome.get() }
  }
}
