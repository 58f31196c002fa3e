// The comparison of the ranks' replicas: that what must be equal is equal.

import Communication
import Kernels
import Tensors
import Threading

/// The check that all ranks hold the same parameters, bit by bit.
///
/// Replicas are equal by construction, until a fault of a memory or a processor makes one differ;
/// then every later step would train on a mixture. The optimiser's state is not compared: what goes
/// wrong there shows in the parameters after the next update.
public final class ReplicaCheck {
  private let communicator: any Communicator
  private let team: ThreadTeam
  private let scratch: UnsafeMutableBufferPointer<UInt64>
  /// Those of all ranks.
  private let digests: UnsafeMutableBufferPointer<UInt64>

  /// A check of buffers of `elementCount` floats.
  public init(elementCount: Int, communicator: any Communicator, team: ThreadTeam) {
    self.communicator = communicator
    self.team = team
    scratch = .allocate(capacity: max(1, BufferDigest.scratchCount(elementCount)))
    scratch.initialize(repeating: 0)
    digests = .allocate(capacity: communicator.size)
    digests.initialize(repeating: 0)
  }

  deinit {
    scratch.deallocate()
    digests.deallocate()
  }

  /// Fails on every rank where the replicas differ; `step` is the step after which they do.
  ///
  /// Collective; costs one read of the parameters and an exchange of 8 bytes a rank.
  ///
  /// - Throws: ``ReplicaDivergence``, the same on all ranks; or `MPIError`.
  public func verify(_ parameters: FloatBuffer, step: Int) throws {
    guard let base = scratch.baseAddress, communicator.size > 1 else { return }
    let own = BufferDigest.digest(
      parameters.base, count: parameters.count, scratch: base, on: team)
    // The pieces' digests are not needed any more.
    base[0] = own
    try communicator.allGather(
      UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: scratch[..<1])),
      into: UnsafeMutableRawBufferPointer(digests))
    if let divergence = ReplicaDivergence(digests: Array(digests), step: step) { throw divergence }
  }
}

/// Replicas that are not the same bits.
public struct ReplicaDivergence: AgreedFailure {
  /// The step after which they differ.
  public let step: Int
  /// The ranks that are not as most are; empty where there is no majority.
  public let ranks: [Int]

  /// Rank 0, though all know.
  public var reportingRank: Int { 0 }

  /// Nil where all digests are equal.
  init?(digests: [UInt64], step: Int) {
    guard let first = digests.first, digests.contains(where: { $0 != first }) else { return nil }
    self.step = step
    let majority = Dictionary(grouping: digests) { $0 }.first { 2 * $1.count > digests.count }?.key
    ranks = majority.map { majority in digests.indices.filter { digests[$0] != majority } } ?? []
  }

  /// One sentence for the user.
  public var description: String {
    let who =
      ranks.isEmpty
      ? "the ranks do not hold the same weights, and no majority tells which are wrong"
      : "the weights on \(rankList(ranks)) are not those of the other ranks"
    return "after step \(step) \(who): a memory or a processor has failed there; resume from the "
      + "newest checkpoint, without that host"
  }
}
