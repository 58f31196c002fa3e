// How many threads a rank should use.

/// The share of its host's cores that a rank may use.
///
/// Cores which several ranks on the host may use are divided among them; cores to which a launcher
/// has bound one rank alone are that rank's own. A limit on processor time, as containers have, is
/// divided among the ranks as well.
package struct ThreadBudget: Sendable, Equatable {
  /// The number of threads to use, at least 1.
  package let threads: Int

  /// The cores on which this process may run.
  package let allowedCores: Int

  /// The cores on this host that the ranks could use if no launcher had bound them.
  package let hostCores: Int

  /// The cores on this host that at least one rank may use.
  package let boundCores: Int

  /// The ranks on this host.
  package let localRanks: Int

  /// The limit on processor time, in cores, that is set from outside; nil for none.
  package let processorLimit: Double?

  /// The budget of this rank.
  ///
  /// Collective: all ranks call it together, before they start threads.
  package static func measure(for communicator: any Communicator) throws(MPIError) -> ThreadBudget {
    let reachable = CoreSet.reachable
    let own = CoreSet.allowed
    // By the size of the job, not of the host: hosts may have one rank beside others with several,
    // and all ranks take part in the exchange.
    guard communicator.size > 1 else {
      return ThreadBudget(
        own: own, localRanks: [own], reachable: reachable,
        processorLimit: ProcessorLimit.cores(read: ControlGroups.text))
    }
    let numbers = [communicator.localLeader] + own.cores
    let all = try communicator.allgatherv(numbers)
    let here = all.filter { $0.first == communicator.localLeader }
    return ThreadBudget(
      own: own, localRanks: here.map { CoreSet($0.dropFirst()) }, reachable: reachable,
      processorLimit: ProcessorLimit.cores(read: ControlGroups.text))
  }

  /// The budget of a rank that may use `own`, beside ranks that may use `localRanks`, its own among
  /// them.
  package init(own: CoreSet, localRanks: [CoreSet], reachable: CoreSet, processorLimit: Double?) {
    var users: [Int: Int] = [:]
    for core in localRanks.map(\.cores).joined() { users[core, default: 0] += 1 }
    // Rounding must not turn three thirds into less than one core.
    let share = own.cores.reduce(0.0) { $0 + 1 / Double(users[$1] ?? 1) } + 1e-6
    let limit = processorLimit.map { $0 / Double(localRanks.count) + 1e-6 } ?? .infinity
    threads = max(1, Int(min(share, limit)))
    allowedCores = own.cores.count
    hostCores = reachable.cores.count
    boundCores = users.count
    self.localRanks = localRanks.count
    self.processorLimit = processorLimit
  }

  /// What is wrong with the launcher's binding, or nil; the same on all ranks of a host.
  package var warning: String? {
    // With a limit on processor time the other cores could not be used either.
    let usable = min(Double(hostCores), processorLimit ?? .infinity)
    guard Double(boundCores) < usable.rounded(.down) else { return nil }
    let ranks = localRanks == 1 ? "the only rank" : "the \(localRanks) ranks"
    let bound = boundCores == 1 ? "1 core" : "\(boundCores) cores"
    return """
      \(ranks) on this host may use \(bound) of \(hostCores): the launcher has bound them; start \
      with mpirun --bind-to none (or with --map-by slot:PE=k for k cores a rank)
      """
  }
}
