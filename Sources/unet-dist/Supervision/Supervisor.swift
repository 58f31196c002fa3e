// A parent that starts a training again when its process has died.

import ArgumentParser
import Communication
import Files
import Foundation
import Liveness
import Training

/// Runs `train` in a child process, and starts it again from the newest state when it dies.
///
/// Nothing of a run is in the parent, so nothing of what may befall a run befalls it. When it is killed itself, its
/// child goes with it.
struct Supervisor {
  /// The variable that tells a child whose it is.
  private static let variable = "UNET_DIST_SUPERVISOR"
  /// The variable of the longest pause before a start, in seconds.
  private static let pauseVariable = "UNET_DIST_LONGEST_PAUSE"
  private static let longestPause = 60

  /// The options of the first start.
  let arguments: [String]
  /// How often it may be started again.
  let limit: Int
  /// Whether the arguments name a checkpoint, which is gone back to until a start has something of its own.
  let namesCheckpoint: Bool
  /// What the run's folder says.
  let progress: () -> LoggedProgress

  /// Sees to it that this process ends with its supervisor; true where there is one.
  static func followParent(in environment: [String: String]) -> Bool {
    guard let parent = environment[variable].flatMap({ Int32($0) }) else { return false }
    ProcessBond.endWithParent(parent)
    return true
  }

  /// Supervises until the run has ended or is given up.
  ///
  /// - Returns: the status of the last child.
  func run() throws -> Int32 {
    StopSignal.catchAll(speaks: false)
    StopSignal.finishFirst()
    let longest = ProcessInfo.processInfo.environment[Self.pauseVariable].flatMap { Int($0) }
    var policy = RestartPolicy(limit: limit, longestPause: max(0, longest ?? Self.longestPause))
    var canGoOn = false
    while true {
      let before = progress().start
      let began = ContinuousClock.now
      let status = try child(isFirst: policy.restarts == 0, canGoOn: canGoOn).wait { process in
        printNote("the training is stopped; kill -CONT \(process) lets it go on")
      }
      if StopSignal.received != nil { return status }
      let now = progress()
      let start = now.start == before ? nil : now.start
      canGoOn = canGoOn || start != nil && now.canGoOn
      let decision = policy.decide(
        status: status, startStep: start?.step,
        seconds: (ContinuousClock.now - began) / .seconds(1))
      switch decision {
      case .end(let reason):
        if let reason {
          printWarning("the training \(Self.text(status)) and is given up: \(reason)")
        }
        return status
      case .restart(let seconds):
        printNote(
          "the training \(Self.text(status)); it goes on in \(seconds) s "
            + "(start \(policy.restarts) of \(limit) more)")
        for _ in 0..<seconds * 50 {
          if StopSignal.received != nil { return JobStatus.stopped.rawValue }
          usleep(20_000)
        }
      }
    }
  }

  private static func text(_ status: Int32) -> String {
    if status == JobStatus.stopped.rawValue { return "was stopped by a signal" }
    return status > 128
      ? "was ended by signal \(status - 128)" : "ended with status \(status)"
  }

  private func child(isFirst: Bool, canGoOn: Bool) throws -> ChildProcess {
    var arguments = self.arguments
    if !isFirst, canGoOn || !namesCheckpoint,
      !arguments.contains(where: { $0.hasPrefix("--resume-or-start") })
    {
      arguments.append("--resume-or-start")
    }
    return try ChildProcess(
      "/proc/self/exe", arguments,
      environment: [Self.variable: "\(getpid())"])
  }
}

/// A child process in a process group of its own, so that what a terminal sends comes by way of its parent.
private struct ChildProcess {
  private let id: pid_t

  init(_ program: String, _ arguments: [String], environment added: [String: String]) throws {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    posix_spawnattr_setpgroup(&attributes, 0)
    let variables = ProcessInfo.processInfo.environment.merging(added) { $1 }
    var words =
      ([CommandLine.arguments.first ?? "unet-dist"] + arguments).map { strdup($0) } + [nil]
    var entries = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for pointer in words + entries { free(pointer) } }
    var id: pid_t = 0
    let code = posix_spawn(&id, program, nil, &attributes, &words, &entries)
    guard code == 0 else {
      throw FileError(path: program, operation: "start the program", code: code)
    }
    self.id = id
  }

  /// The status that it ends with, 128 and the signal's number where that ended it; a signal that asks this process
  /// for the end is handed on.
  ///
  /// One that is stopped is waited for, as whoever stopped it may want it to go on later; `tell` is called with its
  /// number.
  func wait(_ tell: (pid_t) -> Void) -> Int32 {
    var isAsked = false
    while true {
      var status: CInt = 0
      if waitpid(id, &status, WNOHANG | WUNTRACED) == id {
        let signal = status & 0x7F
        // As the macros of sys/wait.h have it: 0x7F is a process that is stopped.
        if signal != 0x7F { return signal == 0 ? status >> 8 & 0xFF : 128 + signal }
        tell(id)
      }
      if !isAsked, let signal = StopSignal.received {
        isAsked = true
        kill(id, signal.rawValue)
        // One that is stopped would not hear of it.
        kill(id, SIGCONT)
      }
      usleep(20_000)
    }
  }
}
