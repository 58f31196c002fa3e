// Replicas and shards of which bits were flipped, on ranks that are threads of this process.

import Kernels
import Tensors
import TestSupport
import Testing
import Threading
import Training

@Suite struct ReplicaCheckTests {
  /// Where a bit is flipped: in the weights, or in a part of the optimiser's state.
  enum Place: Int, CaseIterable { case weights, momentum, variance, average }

  /// What a rank was told, and the bits that it has then.
  struct Outcome: Sendable {
    var error: String?
    var healed: [HealedReplica] = []
    var bits: [[UInt32]]
    var isIntact: Bool
  }

  /// Three tensors, of which the second one lies in several blocks.
  private static let layout: ParameterLayout = {
    var layout = ParameterLayout()
    _ = layout.reserveBias("first", count: 100)
    _ = layout.reserveBias("second", count: 9_000)
    _ = layout.reserveBias("third", count: 900)
    return layout
  }()

  /// What each rank is told after one float of each rank in `damage`, at the index there, had a bit flipped.
  ///
  /// - Parameter isGuarded: whether digests were kept before that.
  private static func outcomes(
    ranks: Int, damage: [Int: Int], place: Place = .weights, isSharded: Bool = false,
    isGuarded: Bool = false, heals: Bool = false
  ) throws -> [Outcome] {
    try ThreadedCommunicator.run(ranks: ranks) { communicator -> Outcome in
      let parameters = FloatBuffer(count: layout.count)
      let blocks = (layout.count + 4095) / 4096
      let optimizer = try Optimizer(
        kind: .adam, momentum: 0, weightDecay: 0, layout: layout, averageDecay: 0.9,
        chunks: isSharded
          ? (0..<blocks).filter { $0 % ranks == communicator.rank }.map {
            $0 * 4096..<min(($0 + 1) * 4096, layout.count)
          } : nil)
      let state = StateGuard(
        parameters, optimizer, layout: layout, isSharded: isSharded,
        // Threads do not show in the bits.
        team: ThreadTeam(count: 1 + communicator.rank % 2))
      for (number, part) in state.parts.enumerated() {
        for index in 0..<part.values.count { part.values.base[index] = Float(index + number) / 7 }
      }
      if isGuarded { state.begin() }
      let check = ReplicaCheck(state, communicator: communicator, heals: heals)
      #expect(try check.compare(step: 6).isEmpty)
      if let index = damage[communicator.rank] {
        let values = state.parts[place.rawValue].values
        values.base[index] = Float(bitPattern: values.base[index].bitPattern ^ 1)
      }
      func outcome(_ error: String?, _ healed: [HealedReplica] = []) -> Outcome {
        let bits = state.parts.map { $0.values.floats.map(\.bitPattern) }
        state.takeDigests()
        return Outcome(
          error: error, healed: healed, bits: bits, isIntact: state.damagedParts.isEmpty)
      }
      do {
        return outcome(nil, try check.settle(step: 7, checkpoint: "step-6"))
      } catch let divergence as ReplicaDivergence {
        return outcome(divergence.description)
      }
    }.map { try $0.get() }
  }

  /// A copy is held against the digests, block by block; of shards only the ranks' own blocks are kept.
  @Test(arguments: [1, 3]) func copiesAreCheckedByTheDigestsThatAreKept(ranks: Int) throws {
    let layout = Self.layout
    let outcomes = ThreadedCommunicator.run(ranks: ranks) { communicator in
      let (rank, blocks) = (communicator.rank, (layout.count + 4095) / 4096)
      let chunks = (0..<blocks).filter { $0 % ranks == rank }.map {
        $0 * 4096..<min(($0 + 1) * 4096, layout.count)
      }
      let optimizer = try Optimizer(
        kind: .adam, momentum: 0, weightDecay: 0, layout: layout, chunks: chunks)
      let parameters = FloatBuffer(count: layout.count)
      let state = StateGuard(
        parameters, optimizer, layout: layout, isSharded: true, team: ThreadTeam(count: 1))
      let copy = FloatBuffer(count: layout.count)
      for index in 0..<layout.count {
        parameters.base[index] = Float(index)
        copy.base[index] = Float(index)
      }
      let moment = optimizer.state[0].values
      for index in 0..<moment.count { moment.base[index] = 7 }
      let momentCopy = FloatBuffer(count: layout.count)
      for index in chunks.joined() { momentCopy.base[index] = 7 }
      state.begin()
      var ranges = (0..<blocks).map { $0 * 4096..<min(($0 + 1) * 4096, layout.count) }
      #expect(ranges.allSatisfy { state.parts[0].isKept(in: copy.base, endingIn: $0) })
      #expect(chunks.allSatisfy { state.parts[1].isKept(in: momentCopy.base, endingIn: $0) })
      for index in [0, 99, 100, 4095, 4096, 9099, 9100, 9_999] {
        copy.base[index] += 1
        ranges = ranges.filter { !state.parts[0].isKept(in: copy.base, endingIn: $0) }
        #expect(ranges.count == 1 && ranges[0].contains(index))
        copy.base[index] -= 1
        ranges = (0..<blocks).map { $0 * 4096..<min(($0 + 1) * 4096, layout.count) }
      }
      momentCopy.base[chunks[0].upperBound - 1] = 8
      #expect(!state.parts[1].isKept(in: momentCopy.base, endingIn: chunks[0]))
    }
    for outcome in outcomes { try outcome.get() }
  }

  @Test(arguments: [false, true]) func equalReplicasPass(_ isGuarded: Bool) throws {
    for ranks in 1...4 {
      for outcome in try Self.outcomes(ranks: ranks, damage: [:], isGuarded: isGuarded) {
        #expect(outcome.error == nil && outcome.healed.isEmpty)
      }
    }
  }

  @Test(arguments: [0, 1, 2]) func allRanksNameTheOneThatDiffers(_ rank: Int) throws {
    for outcome in try Self.outcomes(ranks: 3, damage: [rank: 1234 + rank]) {
      let text = try #require(outcome.error)
      #expect(text.contains("after step 7 the weights (second) on rank \(rank) are not"), "\(text)")
    }
  }

  @Test func optimizerStateIsComparedToo() throws {
    for outcome in try Self.outcomes(ranks: 3, damage: [2: 77], place: .momentum) {
      let text = try #require(outcome.error)
      #expect(text.contains("the optimiser's momentum (first) on rank 2 are not"), "\(text)")
      #expect(text.contains("resume from step-6, the last that was verified"), "\(text)")
    }
  }

  @Test func twoRanksOfFive() throws {
    for outcome in try Self.outcomes(ranks: 5, damage: [1: 0, 4: 9_999]) {
      let text = try #require(outcome.error)
      #expect(text.contains("(first, third) on ranks 1 and 4"), "\(text)")
    }
  }

  @Test func twoRanksHaveNoMajority() throws {
    for outcome in try Self.outcomes(ranks: 2, damage: [1: 17], heals: true) {
      #expect(try #require(outcome.error).contains("no majority"), "\(outcome)")
    }
  }

  /// What a rank alone has, be it the whole or a shard.
  @Test(arguments: Place.allCases) func aGuardNamesWhatOnlyOneRankHas(_ place: Place) throws {
    let name = ["weights", "optimiser's momentum", "optimiser's variance", "optimiser's average"]
    let alone = try Self.outcomes(
      ranks: 1, damage: [0: 9_500], place: place, isGuarded: true, heals: true)
    let text = try #require(alone[0].error)
    #expect(text.contains("bits of the \(name[place.rawValue]) (third) have changed on rank 0"))
    guard place != .weights else { return }
    let shards = try Self.outcomes(
      ranks: 3, damage: [1: 4_000], place: place, isSharded: true, isGuarded: true, heals: true)
    for outcome in shards {
      let text = try #require(outcome.error)
      #expect(
        text.contains("bits of the \(name[place.rawValue]) (second) have changed on rank 1"),
        "\(text)")
    }
  }

  @Test(arguments: Place.allCases, [false, true])
  func theMajorityHealsARank(_ place: Place, _ isGuarded: Bool) throws {
    let untouched = try Self.outcomes(ranks: 1, damage: [:])[0].bits
    for outcome in try Self.outcomes(
      ranks: 3, damage: [1: 8_191], place: place, isGuarded: isGuarded, heals: true)
    {
      #expect(outcome.error == nil && outcome.isIntact)
      let isSame = outcome.bits == untouched
      #expect(isSame)
      #expect(outcome.healed.map(\.ranks) == [[1]] && outcome.healed[0].tensors == ["second"])
    }
  }

  /// Who knows that its own bits have changed has no say, so one other rank is enough.
  @Test func aGuardTellsWhichOfTwoRanksIsRight() throws {
    let untouched = try Self.outcomes(ranks: 1, damage: [:])[0].bits
    for outcome in try Self.outcomes(ranks: 2, damage: [0: 50], isGuarded: true, heals: true) {
      let isSame = outcome.bits == untouched
      #expect(outcome.error == nil && isSame, "\(outcome.error ?? "")")
    }
    for outcome in try Self.outcomes(
      ranks: 3, damage: [0: 50, 2: 51], isGuarded: true, heals: true)
    {
      let isSame = outcome.bits == untouched
      #expect(outcome.healed.map(\.ranks) == [[0, 2]] && isSame)
    }
  }
}
