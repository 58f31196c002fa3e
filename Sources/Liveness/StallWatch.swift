// The thread that ends a job which makes no progress, and says when a signal asks for the end.

import CLiveness
import Glibc
import Synchronization

/// Watches the ranks of this host from a thread of its own, which never waits for any of them.
///
/// Every process has one. All watches of a host see the same marks, so they come to the same verdict; one
/// rank that is not at fault itself says it, and each ends its own process, since a launcher that is cut off
/// may not.
package final class StallWatch: Sendable {
  /// The watch of this process.
  package static let shared = StallWatch()

  /// Seconds that ranks wait for each other at the start, unless the environment says otherwise.
  package static let joiningLimit = 600.0
  /// The variable that says otherwise.
  package static let joiningVariable = "UNET_DIST_START_TIMEOUT"
  /// Seconds without progress after which a job ends, unless the user chooses others.
  package static let limit = 300.0

  private static let secondsBetweenLooks = 0.1

  private struct State: Sendable {
    var isRunning = false
    var rank = 0
    var host = ""
    var detector = StallDetector(limit: 0, joiningLimit: 0)
    var board: HostBoard?
    /// What to do when a signal asks for the end; nil when that was done.
    var announceStop: (@Sendable (StopSignal) -> Void)?
  }
  private let state = Mutex(State())

  private init() {}

  /// Begins to watch, before MPI or anything else can hang.
  ///
  /// - Parameters:
  ///   - rank: the rank that the launcher says this process has.
  ///   - joiningLimit: seconds that the ranks may wait for each other to join; 0 is for ever.
  package func start(rank: Int, joiningLimit: Double) {
    let isFirst = state.withLock { state in
      defer { state.isRunning = true }
      state.rank = rank
      state.detector = StallDetector(limit: Self.limit, joiningLimit: joiningLimit)
      return !state.isRunning
    }
    guard isFirst else { return }
    CLiveness_store(&CLiveness_marks().pointee.rank, Int64(rank))
    CLiveness_store(&CLiveness_marks().pointee.process, Int64(getpid()))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { _ in
        StallWatch.shared.watch()
        return nil
      }, nil)
    guard code == 0 else {
      return say(
        "warning: the system grants no thread to watch over the run: \(String(cString: strerror(code))); "
          + "if it hangs nobody will end it, so raise `ulimit -u` or `ulimit -v`")
    }
    pthread_detach(thread)
  }

  /// Takes another limit from now on, in seconds; 0 is never.
  package func allow(_ limit: Double) {
    state.withLock { $0.detector.limit = limit }
  }

  /// Tells where this process is, once it has joined the others, and which rank it is among them.
  package func joined(rank: Int, host: String, board: HostBoard?, hasOtherHosts: Bool) {
    state.withLock { state in
      state.rank = rank
      state.host = host
      state.board = board
      state.detector.hasOtherHosts = hasOtherHosts
    }
  }

  /// Lets `body` run on the watch's thread when the first signal asks for the end.
  package func onStopSignal(_ body: (@Sendable (StopSignal) -> Void)?) {
    state.withLock { $0.announceStop = body }
  }

  // MARK: The thread

  private func watch() {
    var last = ContinuousClock.now
    while true {
      usleep(useconds_t(Self.secondsBetweenLooks * 1e6))
      let now = ContinuousClock.now
      // While this process was stopped itself, or its host asleep, nobody has lost time.
      let seconds = min((now - last) / .seconds(1), 10 * Self.secondsBetweenLooks)
      last = now
      if let signal = StopSignal.received {
        let announce = state.withLock { state in
          defer { state.announceStop = nil }
          return state.announceStop
        }
        announce?(signal)
      }
      let verdict = state.withLock { state in
        state.detector.look(Self.sightings(state.board), after: seconds)
      }
      switch verdict {
      case .fine: break
      case .warning(let stall): warn(stall.blaming(Self.isUnable))
      case .end(let stall): end(stall.blaming(Self.isUnable))
      }
    }
  }

  private static func sightings(_ board: HostBoard?) -> [RankSighting] {
    board?.sightings() ?? CLiveness_marks().flatMap { RankSighting($0) }.map { [$0] } ?? []
  }

  /// Whether the process is stopped or gone, be it in the middle of a wait for others.
  private static func isUnable(_ sighting: RankSighting) -> Bool {
    ProcessState(of: sighting.process).map { $0.isStopped || $0.hasEnded } ?? true
  }

  private func warn(_ stall: Stall) {
    guard isSpeaker(stall) else { return }
    let left = stall.limit - stall.seconds
    say(
      "warning: \(text(stall)); "
        + (left.isFinite
          ? "the job ends in \(Int(left.rounded())) s"
          : stall.culprits.isEmpty
            ? "it goes on waiting, since their part may be a long one" : "it goes on waiting"))
  }

  private func end(_ stall: Stall) -> Never {
    let (rank, board) = state.withLock { ($0.rank, $0.board) }
    if isSpeaker(stall), board?.ownPlace.map({ board?.takeWord(place: $0) ?? true }) ?? true {
      // Ranks that do not see each other speak in turn, and the first ends the job.
      if board == nil { usleep(UInt32(min(rank, 8)) * 250_000) }
      say("error: \(text(stall)); the job was ended")
    } else {
      // A launcher would end the speaker, too, before it has spoken.
      usleep(500_000)
    }
    let processes = board?.otherProcesses() ?? []
    CLiveness_end(JobStatus.stalled.rawValue, processes, CInt(processes.count))
  }

  /// Whether it is this rank that tells: the lowest of the host that can.
  private func isSpeaker(_ stall: Stall) -> Bool {
    let rank = state.withLock { $0.rank }
    var able = stall.waiting.isEmpty ? stall.culprits : stall.waiting
    if able.contains(where: { !Self.isUnable($0) }) { able.removeAll(where: Self.isUnable) }
    return able.map(\.rank).min() == rank
  }

  private func text(_ stall: Stall) -> String {
    let (rank, host) = state.withLock { ($0.rank, $0.host) }
    let own = (stall.waiting + stall.culprits).first { $0.rank == rank }
    return stall.text(seenBy: own, host: host)
  }

  /// Writes one line, in place of a progress bar in a window.
  private func say(_ line: String) {
    let text = (isatty(STDERR_FILENO) == 1 ? "\r\u{1B}[2K" : "") + line + "\n"
    let bytes = Array(text.utf8)
    bytes.withUnsafeBytes { CLiveness_say($0.baseAddress, $0.count) }
  }
}

// MARK: - Words

extension Progress.Phase {
  /// The phase in words; `step` is that of the marks.
  package func text(step: Int) -> String {
    switch self {
    case .start: "the start"
    case .joining: "the start"
    case .preparation: "the preparation"
    case .step: "step \(step)"
    case .evaluation: "the evaluation after step \(step)"
    case .checkpoint: "the checkpoint of step \(step)"
    case .work: "the work"
    case .end: "the end"
    }
  }
}

extension Stall {
  /// What is wrong and whose fault it is, as far as `own`, the rank that tells, can know.
  package func text(
    seenBy own: RankSighting?, host: String,
    cause: (Int) -> String? = { ProcessState(of: $0).map(\.cause) ?? "ended" }
  ) -> String {
    let time = "\(Int(seconds.rounded())) s"
    if own?.phase == .joining {
      return """
        rank \(own?.rank ?? 0) has waited \(time) for the other ranks to start \
        (\(StallWatch.joiningVariable)); see that every rank runs unet-dist, and can reach the others
        """
    }
    let phase = own.map { $0.phase.text(step: $0.step) } ?? "the run"
    guard !culprits.isEmpty else {
      let ranks = waiting.map { "\($0.rank)" }.joined(separator: ", ")
      let others =
        hasOtherHosts
        ? "ranks of other hosts, of which some may be stopped, or lost with their links"
        : waiting.count == 1 ? "ranks that have ended" : "each other"
      let all = "rank\(waiting.count == 1 ? "" : "s") \(ranks)"
      return "\(phase): \(all) on \(host) waited \(time) for \(others)"
    }
    let list = culprits.prefix(4).map { culprit in
      let details = [
        "process \(culprit.process)",
        culprit.phase == own?.phase && culprit.step == own?.step
          ? nil : "in " + culprit.phase.text(step: culprit.step),
        cause(culprit.process),
      ].compactMap { $0 }.joined(separator: ", ")
      return "rank \(culprit.rank)\(host.isEmpty ? "" : " on \(host)") (\(details))"
    }.joined(separator: " and ")
    let rest = culprits.count > 4 ? " and \(culprits.count - 4) more" : ""
    return "\(phase): no progress of \(list)\(rest) for \(time)"
  }
}
