// Replicas of which one was damaged, on ranks that are threads of this process.

import Tensors
import TestSupport
import Testing
import Threading
import Training

@Suite struct ReplicaCheckTests {
  /// What each rank was told; `damage` are ranks with a float of which one bit is flipped.
  private static func told(
    ranks: Int, damage: [Int: Int], isState: Bool = false
  ) throws -> [String?] {
    try ThreadedCommunicator.run(ranks: ranks) { communicator -> String? in
      let parameters = FloatBuffer(count: 10_000)
      for index in 0..<parameters.count { parameters.base[index] = Float(index) / 7 }
      let momentum = FloatBuffer(count: 10_000)
      let check = ReplicaCheck(
        elementCount: parameters.count, communicator: communicator,
        // Threads do not show in the bits.
        team: ThreadTeam(count: 1 + communicator.rank % 2))
      try check.verify([("weights", parameters), ("momentum", momentum)], step: 6)
      if let index = damage[communicator.rank] {
        let damaged = isState ? momentum : parameters
        damaged.base[index] = Float(bitPattern: damaged.base[index].bitPattern ^ 1)
      }
      do {
        try check.verify(
          [("weights", parameters), ("momentum", momentum)], step: 7, checkpoint: "step-6")
        return nil
      } catch let divergence as ReplicaDivergence {
        return divergence.description
      }
    }.map { try $0.get() }
  }

  @Test func equalReplicasPass() throws {
    for ranks in 1...4 {
      #expect(try Self.told(ranks: ranks, damage: [:]) == Array(repeating: nil, count: ranks))
    }
  }

  @Test(arguments: [0, 1, 2]) func allRanksNameTheOneThatDiffers(_ rank: Int) throws {
    for message in try Self.told(ranks: 3, damage: [rank: 1234 + rank]) {
      let text = try #require(message)
      #expect(text.contains("after step 7 the weights on rank \(rank) are not"), "\(text)")
    }
  }

  @Test func optimizerStateIsComparedToo() throws {
    for message in try Self.told(ranks: 3, damage: [2: 77], isState: true) {
      let text = try #require(message)
      #expect(text.contains("after step 7 the momentum on rank 2 are not"), "\(text)")
      #expect(text.contains("resume from step-6, the last that was compared"), "\(text)")
    }
  }

  @Test func twoRanksOfFive() throws {
    for message in try Self.told(ranks: 5, damage: [1: 0, 4: 9_999]) {
      #expect(try #require(message).contains("ranks 1 and 4"), "\(message ?? "")")
    }
  }

  @Test func twoRanksHaveNoMajority() throws {
    for message in try Self.told(ranks: 2, damage: [1: 17]) {
      #expect(try #require(message).contains("no majority"), "\(message ?? "")")
    }
  }
}
