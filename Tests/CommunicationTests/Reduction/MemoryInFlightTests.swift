// Memory in which messages are in flight is not given back, since the library may write to it.

import Communication
import Tensors
import TestSupport
import Testing

@Suite(.serialized) struct MemoryInFlightTests {
  /// A rank receives the others' gradients in workspace.
  @Test(arguments: [Overlap.off, .poll, .thread])
  func outlivesAReductionThatFails(_ overlap: Overlap) throws {
    let communicator = LostCommunicator(rank: 0, size: 2)
    let gradients = FloatBuffer(count: 50_000)
    do {
      let reducer = Self.reducer(communicator, overlap)
      reducer.begin([gradients.floats], shards: [0..<1, 1..<2])
      reducer.reduce(from: 1000)
      #expect(throws: MPIError.self) { try reducer.finish() }
    }
    #expect(communicator.hasMessagesInFlight)
    #expect(!communicator.reusesMemoryInFlight)
  }

  @Test(arguments: [Overlap.off, .thread])
  func outlivesAGatherThatFails(_ overlap: Overlap) throws {
    let communicator = LostCommunicator(rank: 0, size: 2)
    do {
      let reducer = Self.reducer(communicator, overlap)
      let values = (0..<500).map { Double($0) }
      #expect(throws: MPIError.self) { try reducer.gather(values) }
    }
    #expect(communicator.hasMessagesInFlight)
    #expect(!communicator.reusesMemoryInFlight)
  }

  private static func reducer(
    _ communicator: LostCommunicator, _ overlap: Overlap
  ) -> GradientReducer {
    GradientReducer(
      communicator: communicator,
      buckets: GradientBuckets(elementCount: 50_000, byteCount: 64 << 10), overlap: overlap)
  }
}
