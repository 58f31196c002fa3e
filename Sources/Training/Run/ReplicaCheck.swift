// The comparison of the ranks' replicas: that what must be equal is equal.

package import Communication
import Kernels
package import Tensors
package import Threading

/// The check that all ranks hold the same parameters and optimiser state, bit by bit.
///
/// Replicas are equal by construction, until a fault of a memory or a processor makes one differ;
/// then every later step would train on a mixture, and a checkpoint could hold the wrong half of it.
/// What only one rank has, the shards of a sharded optimiser, cannot be compared.
package final class ReplicaCheck {
  /// A buffer that is the same on all ranks, under its name in messages.
  package typealias Replica = (name: String, values: FloatBuffer)

  private let communicator: any Communicator
  private let team: ThreadTeam
  private let workspace: UnsafeMutableBufferPointer<UInt64>

  /// A check of buffers of up to `elementCount` floats.
  package init(elementCount: Int, communicator: any Communicator, team: ThreadTeam) {
    self.communicator = communicator
    self.team = team
    workspace = .allocate(capacity: max(1, BufferDigest.workspaceCount(elementCount)))
    workspace.initialize(repeating: 0)
  }

  deinit { workspace.deallocate() }

  /// Fails on every rank where the replicas differ; `step` is the step after which they do.
  ///
  /// Collective; costs one read of the buffers, and 8 bytes a rank for each.
  ///
  /// - Parameter checkpoint: on rank 0, the newest checkpoint that was written after a comparison.
  /// - Throws: ``ReplicaDivergence``, the same on all ranks; or `MPIError`.
  package func verify(_ replicas: [Replica], step: Int, checkpoint: String? = nil) throws {
    guard let base = workspace.baseAddress, communicator.size > 1 else { return }
    let own = replicas.map {
      BufferDigest.digest($0.values.base, count: $0.values.count, workspace: base, on: team)
    }
    var all = [UInt64](repeating: 0, count: own.count * communicator.size)
    try own.withUnsafeBytes { own in
      try all.withUnsafeMutableBytes { try communicator.allGather(own, into: $0) }
    }
    for (index, replica) in replicas.enumerated() {
      let digests = stride(from: index, to: all.count, by: own.count).map { all[$0] }
      if let divergence = ReplicaDivergence(
        of: replica.name, digests: digests, step: step, checkpoint: checkpoint)
      {
        throw divergence
      }
    }
  }
}

/// Replicas that are not the same bits.
package struct ReplicaDivergence: AgreedFailure {
  /// What differs, such as "weights".
  package let name: String
  /// The step after which they differ.
  package let step: Int
  /// The ranks that are not as most are; empty where there is no majority.
  package let ranks: [Int]
  /// The newest checkpoint that was written after a comparison, where this rank knows it.
  package let checkpoint: String?

  /// Rank 0, which alone knows of the checkpoints.
  package var reportingRank: Int { 0 }

  /// Nil where all digests are equal.
  init?(of name: String, digests: [UInt64], step: Int, checkpoint: String?) {
    guard let first = digests.first, digests.contains(where: { $0 != first }) else { return nil }
    self.name = name
    self.step = step
    self.checkpoint = checkpoint
    let majority = Dictionary(grouping: digests) { $0 }.first { 2 * $1.count > digests.count }?.key
    ranks = majority.map { majority in digests.indices.filter { digests[$0] != majority } } ?? []
  }

  /// One sentence for the user.
  package var description: String {
    let who =
      ranks.isEmpty
      ? "the ranks do not hold the same \(name), and no majority tells which are wrong"
      : "the \(name) on \(rankList(ranks)) are not those of the other ranks"
    let way =
      checkpoint.map { "resume from \($0), the last that was compared before it was written" }
      ?? "no checkpoint of this run was compared before it was written, so resume from the one it "
      + "began with or start again"
    return "after step \(step) \(who): a memory or a processor has failed there; nothing was "
      + "written; \(way), without that host"
  }
}
