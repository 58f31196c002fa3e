// Who moves the gradients' messages while the network computes.

/// How the exchange of gradients goes on beside the backward pass.
package enum Overlap: String, Codable, CaseIterable, Sendable {
  /// Whichever of the others suits the machine; see ``resolved(threads:budget:communicator:)``.
  case auto
  /// A thread of its own makes all MPI calls of a step, and sleeps while nothing arrives.
  case thread
  /// The thread that computes polls the messages between layers.
  case poll
  /// The exchange begins when the backward pass has ended.
  case off

  /// The way of this name; `test` was the name of `poll` before 0.2.0.
  package init?(name: String) {
    self.init(rawValue: name == "test" ? Overlap.poll.rawValue : name)
  }

  /// The way that this run takes, the same on all ranks; never `auto`.
  ///
  /// MPI libraries move messages only while they are called. Two threads of a rank that both want a
  /// core are slower than one, so `auto` takes a thread where every host has a core to spare or the
  /// ranks are on several hosts, where a network is to be waited for; and `off` where all ranks
  /// share the cores of one host and nothing is to be gained. Where the library allows calls from
  /// one thread only, `poll` stands in for `thread`.
  ///
  /// Collective.
  package func resolved(
    threads: Int, budget: ThreadBudget, communicator: any Communicator
  ) throws(MPIError) -> Overlap {
    guard communicator.size > 1 else { return .off }
    let isFull = threads * communicator.localSize >= budget.boundCores
    // Hosts that are full, ranks that see other hosts, ranks that may not use threads.
    let sums = try communicator.allReduceSum([
      isFull ? Int64(1) : 0, communicator.localSize < communicator.size ? 1 : 0,
      communicator.allowsOtherThreads ? 0 : 1,
    ])
    let (isSomewhereFull, hasSeveralHosts, mustPoll) = (
      sums[0] > 0, sums[1] > 0, sums[2] > 0
    )
    let wish =
      switch self {
      case .auto: isSomewhereFull && !hasSeveralHosts ? Overlap.off : .thread
      case .thread, .poll, .off: self
      }
    return wish == .thread && mustPoll ? .poll : wish
  }
}
