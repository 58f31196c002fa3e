// How a process joins the other ranks at the start and leaves them at the end.

package import Communication
import Files
import Foundation
package import Liveness

/// The run of a program as one or several ranks.
package enum Job {
  /// The ranks that a launcher started, or this process alone without touching MPI.
  ///
  /// - Throws: ``LaunchError`` or ``MPIError``.
  package static func join(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> any Communicator {
    guard let launcher = Launcher.detect(in: environment) else { return SoloCommunicator() }
    guard launcher.servesMPI else { throw LaunchError(launcher: launcher, joinedSize: nil) }
    let communicator = try MPICommunicator()
    guard launcher.size == nil || launcher.size == communicator.size else {
      try communicator.leave()
      throw LaunchError(launcher: launcher, joinedSize: communicator.size)
    }
    return communicator
  }

  /// Joins the other ranks, runs `body`, and leaves them, so that no rank is left hanging.
  ///
  /// When `body` throws, one message goes to standard error. An ``AgreedFailure`` is known to all
  /// ranks: one of them prints it and all leave in good order. After any other error the others
  /// cannot be told, because they may wait in any operation: the rank prints its own message and
  /// ends the whole job.
  ///
  /// A ``StallWatch`` ends the process where it would hang.
  ///
  /// - Returns: the exit status: what `body` says, or that of a failure that all ranks know of.
  package static func run(
    environment: [String: String] = ProcessInfo.processInfo.environment,
    _ body: (any Communicator) throws -> JobStatus
  ) -> JobStatus {
    let communicator: any Communicator
    do {
      communicator = try joinWatched(environment: environment)
    } catch {
      // Every rank meets a launch error, and they cannot agree on who prints it.
      let rank = Launcher.detect(in: environment)?.rank ?? 0
      if !(error is LaunchError) || rank == 0 { report(message(of: error)) }
      MPICommunicator.abortJob(status: 1)
    }
    do {
      var status = JobStatus.success
      do {
        status = try body(communicator)
      } catch let failure as any AgreedFailure {
        if communicator.rank == failure.reportingRank { report(failure.description) }
        status = isUsage(failure) ? .usage : .failure
      }
      Progress.enter(.end)
      try FaultPoint.end.reach()
      WatchedStream.standardError.flush()
      try communicator.leave()
      return status
    } catch {
      reportInTurn(error, from: communicator)
      // Ranks that lose another one may do better with the next start.
      let status: JobStatus = error is MPIError ? .stalled : isUsage(error) ? .usage : .failure
      communicator.abort(status: Int(status.rawValue))
    }
  }

  /// Joins the other ranks under the eyes of a watch.
  private static func joinWatched(environment: [String: String]) throws -> any Communicator {
    let launcher = Launcher.detect(in: environment)
    Progress.enter(launcher == nil ? .work : .joining)
    let joiningLimit = environment[StallWatch.joiningVariable].flatMap { Double($0) }
    StallWatch.shared.start(
      rank: launcher?.rank ?? 0,
      joiningLimit: joiningLimit.map { $0 > 0 ? $0 : 0 } ?? StallWatch.joiningLimit)
    try FaultPoint.start.reach()
    let communicator = try join(environment: environment)
    if communicator.rank == 0 { JobNote.joined.leave(in: environment) }
    if launcher?.command == "mpirun", communicator.localRank == 0 {
      OpenMPILeftovers.remove(
        temporary: environment["TMPDIR"] ?? "/tmp", host: communicator.hostName)
    }
    let hasOtherHosts = communicator.localSize < communicator.size
    let board = try HostBoard.joined(by: communicator)
    // Ranks without a common board know no more of each other than those of other hosts.
    StallWatch.shared.joined(
      rank: communicator.rank, host: communicator.size > 1 ? communicator.hostName : "",
      board: board,
      hasOtherHosts: hasOtherHosts || (communicator.size > 1 && board == nil))
    if hasOtherHosts, communicator.rank == 0,
      let warning = launcher?.keepaliveWarning(in: environment)
    {
      printWarning(warning)
    }
    Progress.enter(.work)
    return communicator
  }

  /// Prints an error that this rank may have alone or in common with others.
  ///
  /// Ranks that fail together speak in turn: the lowest is first, and its end of the job comes
  /// before the next one's message.
  private static func reportInTurn(_ error: any Error, from communicator: any Communicator) {
    guard communicator.size > 1 else { return report(message(of: error)) }
    Thread.sleep(forTimeInterval: 0.25 * Double(min(communicator.rank, 8)))
    report("rank \(communicator.rank) on \(communicator.hostName): \(message(of: error))")
  }

  /// Prints in one piece, so that lines of several ranks do not mix; every error of a command comes by
  /// here, with what it quotes from files.
  private static func report(_ message: String) {
    JobNote.error.leave()
    let text = TerminalColours(descriptor: STDERR_FILENO).message(
      "error: \(message.printableLines)")
    WatchedStream.standardError.write(text + "\n")
    WatchedStream.standardError.flush()
  }
}
