// The comparison of the ranks' replicas, and what is done about one that differs.

package import Communication
import Tensors

/// The check that all ranks hold the same parameters and optimiser state, bit by bit.
///
/// Replicas are equal by construction, until a fault of a memory or a processor makes one differ;
/// then every later step would train on a mixture, and a checkpoint could hold the wrong half of it.
/// What only one rank has, the shards of a sharded optimiser, cannot be compared: a ``StateGuard`` tells
/// where they have changed.
package final class ReplicaCheck {
  private let state: StateGuard
  private let communicator: any Communicator
  /// Whether a replica that differs is replaced by what most ranks have.
  private let heals: Bool

  /// A check of what `state` guards.
  package init(_ state: StateGuard, communicator: any Communicator, heals: Bool = false) {
    self.state = state
    self.communicator = communicator
    self.heals = heals
  }

  /// Compares what all ranks should have in common, by the digests that updates have left.
  ///
  /// Collective; reads nothing but digests where they are kept, and costs 8 bytes a rank and part.
  ///
  /// - Parameters:
  ///   - step: the step that was made last.
  ///   - checkpoint: on rank 0, the newest checkpoint that was written after a comparison.
  /// - Returns: what was mended.
  /// - Throws: ``ReplicaDivergence``, the same on all ranks; or `MPIError`.
  package func compare(step: Int, checkpoint: String? = nil) throws -> [HealedReplica] {
    if !state.isActive { state.takeDigests() }
    let own = state.joinedDigests(kept: state.isActive)
    let all = try gathered(own)
    let differs = state.parts.indices.contains { part in
      state.parts[part].isReplica && all.contains { $0[part] != all[0][part] }
    }
    guard differs else { return [] }
    return try settle(step: step, checkpoint: checkpoint)
  }

  /// Compares what is in memory now: with what updates have left, and between the ranks.
  ///
  /// Collective; costs one read of parameters and state. Else as ``compare(step:checkpoint:)``.
  package func settle(step: Int, checkpoint: String? = nil) throws -> [HealedReplica] {
    state.takeDigests()
    let digests = try gathered(state.joinedDigests(kept: false))
    let damage = try communicator.allgatherv(state.damagedParts)
    var cures: [(part: Int, cure: Cure)] = []
    // All of it before anything is changed.
    for (number, part) in state.parts.enumerated() {
      let damaged = damage.indices.filter { damage[$0].contains(number) }
      if part.isReplica && communicator.size > 1 {
        let own = digests.map { $0[number] }
        guard let cure = Cure(digests: own, damaged: damaged) else { continue }
        guard heals, cure.source != nil else {
          throw ReplicaDivergence(
            name: part.name, step: step, ranks: cure.source == nil ? damaged : cure.ranks,
            tensors: try tensors(of: part, differingFrom: cure.source ?? 0),
            isChange: !damaged.isEmpty, checkpoint: checkpoint)
        }
        cures.append((number, cure))
      } else if !damaged.isEmpty {
        throw ReplicaDivergence(
          name: part.name, step: step, ranks: damaged,
          tensors: try tensors(part.damagedPieces, of: part),
          isChange: true, checkpoint: checkpoint)
      }
    }
    let healed = try cures.map { number, cure in
      try heal(state.parts[number], by: cure, step: step)
    }
    if !healed.isEmpty { state.renew() }
    return healed
  }

  /// The values of all ranks, as many on each.
  private func gathered(_ own: [UInt64]) throws -> [[UInt64]] {
    var all = [UInt64](repeating: 0, count: own.count * communicator.size)
    try own.withUnsafeBytes { own in
      try all.withUnsafeMutableBytes { try communicator.allGather(own, into: $0) }
    }
    return (0..<communicator.size).map { Array(all[$0 * own.count..<($0 + 1) * own.count]) }
  }

  /// The pieces of a replica that are not as rank `source` has them; collective.
  private func pieces(of part: StateGuard.Part, differingFrom source: Int) throws -> [Int] {
    let own = part.takenDigests
    var theirs = own
    try theirs.withUnsafeMutableBytes { try communicator.broadcast($0, from: source) }
    return own.indices.filter { own[$0] != theirs[$0] }
  }

  private func tensors(
    of part: StateGuard.Part, differingFrom source: Int
  ) throws -> [String] {
    try tensors(try pieces(of: part, differingFrom: source), of: part)
  }

  /// The names of the tensors that `pieces`, of any rank, belong to; collective.
  private func tensors(_ pieces: [Int], of part: StateGuard.Part) throws -> [String] {
    let numbers = try communicator.allgatherv(part.parameters(ofPieces: pieces))
    return Set(numbers.joined()).sorted().map { state.parameterNames[$0] }
  }

  /// Overwrites what differs by what the cure's source has; collective.
  private func heal(
    _ part: StateGuard.Part, by cure: Cure, step: Int
  ) throws -> HealedReplica {
    let source = cure.source ?? 0
    let own = try pieces(of: part, differingFrom: source)
    for piece in Set(try communicator.allgatherv(own).joined()).sorted() {
      let floats = part.floats(ofPiece: piece)
      if communicator.rank == source || own.contains(piece) {
        try communicator.broadcast(floats, from: source)
      } else {
        // Whoever has the right bits keeps them.
        let unused = FloatBuffer(count: floats.count)
        try communicator.broadcast(unused.floats, from: source)
      }
    }
    return HealedReplica(
      step: step, name: part.name, ranks: cure.ranks, tensors: try tensors(own, of: part))
  }
}

/// Who has the wrong bits of a replica, and who the right ones.
struct Cure: Equatable {
  /// The ranks that are not as they should be.
  let ranks: [Int]
  /// The first rank that is; nil where nothing tells.
  let source: Int?

  /// Nil where all digests are equal.
  ///
  /// A rank whose bits have changed since an update, one of `damaged`, has no say; of the others most are
  /// right.
  init?(digests: [UInt64], damaged: [Int]) {
    guard let first = digests.first, digests.contains(where: { $0 != first }) else { return nil }
    let voters = digests.indices.filter { !damaged.contains($0) }
    let votes = Dictionary(grouping: voters) { digests[$0] }
    let right = votes.first { 2 * $0.value.count > voters.count }
    ranks = right.map { right in digests.indices.filter { digests[$0] != right.key } } ?? []
    source = right?.value.first
  }
}

/// A replica that was made whole again.
package struct HealedReplica: Sendable, Equatable, CustomStringConvertible {
  /// The step that was made last.
  package let step: Int
  /// What differed, such as "weights".
  package let name: String
  /// The ranks on which it did.
  package let ranks: [Int]
  /// The tensors of it that did.
  package let tensors: [String]

  /// One sentence for the user.
  package var description: String {
    "after step \(step) the \(name)\(tensorList(tensors)) on \(rankList(ranks)) had other bits than those "
      + "of the other ranks: a memory or a processor has failed there; they were replaced by the others'"
  }
}

/// Parameters or state that are not what they should be, on ranks that are known where anything tells.
package struct ReplicaDivergence: AgreedFailure {
  /// What differs, such as "weights".
  package let name: String
  /// The step after which they differ.
  package let step: Int
  /// The ranks that have other bits than they should; empty where nothing tells which.
  package let ranks: [Int]
  /// The tensors that differ.
  package let tensors: [String]
  /// Whether the bits are known to have changed since an update.
  package let isChange: Bool
  /// The newest checkpoint that was written after a comparison, where this rank knows it.
  package let checkpoint: String?

  /// Rank 0, which alone knows of the checkpoints.
  package var reportingRank: Int { 0 }

  /// One sentence for the user.
  package var description: String {
    let what = name + tensorList(tensors)
    let who =
      if ranks.isEmpty {
        "the ranks do not hold the same \(what), and no majority tells which are wrong"
      } else if isChange {
        "bits of the \(what) have changed on \(rankList(ranks))"
      } else {
        "the \(what) on \(rankList(ranks)) are not those of the other ranks"
      }
    let way =
      checkpoint.map { "resume from \($0), the last that was verified before it was written" }
      ?? "no checkpoint of this run was verified before it was written, so resume from the one it "
      + "began with or start again"
    return "after step \(step) \(who): a memory or a processor has failed there; nothing was "
      + "written; \(way), without that host"
  }
}

/// " (a, b and 3 more)", or nothing.
private func tensorList(_ names: [String]) -> String {
  if names.isEmpty { return "" }
  let rest = names.count > 3 ? " and \(names.count - 3) more" : ""
  return " (" + names.prefix(3).joined(separator: ", ") + rest + ")"
}
