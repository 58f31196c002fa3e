// The division of the gradient buffer.

import Communication
import Testing

@Suite struct GradientBucketsTests {
  @Test func rangesRunFromTheEndAndCoverTheBuffer() {
    let buckets = GradientBuckets(elementCount: 25, byteCount: 40)
    #expect(buckets.ranges == [20..<25, 10..<20, 0..<10])
    #expect(GradientBuckets(elementCount: 20, byteCount: 40).ranges == [10..<20, 0..<10])
    #expect(GradientBuckets(elementCount: 3, byteCount: 40).ranges == [0..<3])
    #expect(GradientBuckets(elementCount: 0).ranges.isEmpty)
  }

  @Test func paperNetworkHasBucketsOfAMegabyte() {
    let buckets = GradientBuckets(elementCount: 31_030_658)
    #expect(buckets.ranges.count == 119)
    #expect(buckets.ranges.map(\.count).reduce(0, +) == 31_030_658)
  }

  @Test(arguments: [(25, 0), (21, 0), (20, 1), (11, 1), (10, 2), (1, 2), (0, 3)])
  func bucketsAreCompleteFromTheirLowerBound(offset: Int, count: Int) {
    let buckets = GradientBuckets(elementCount: 25, byteCount: 40)
    #expect(buckets.completeCount(from: offset) == count)
    for reduced in 0...count {
      #expect(buckets.completeCount(from: offset, reduced: reduced) == count)
    }
  }

  /// Else the ranks' sums of squares would not be those of one rank.
  @Test func aShardedReducerRefusesBucketsThatCutBlocks() async {
    await #expect(processExitsWith: .failure) {
      _ = GradientReducer(
        communicator: SoloCommunicator(),
        buckets: GradientBuckets(elementCount: 20_000, byteCount: 24 << 10), isSharded: true)
    }
  }

  @Test func soloReducerDoesNothing() throws {
    let reducer = GradientReducer(
      communicator: SoloCommunicator(), buckets: GradientBuckets(elementCount: 25, byteCount: 40))
    var gradients = (0..<25).map { Float($0) }
    try gradients.withUnsafeMutableBufferPointer { gradients in
      reducer.begin([gradients], shards: [0..<1])
      reducer.reduce(from: 12)
      try reducer.finish()
    }
    #expect(gradients == (0..<25).map { Float($0) })
    #expect(reducer.sentByteCount == 0 && reducer.seconds == 0)
  }
}
