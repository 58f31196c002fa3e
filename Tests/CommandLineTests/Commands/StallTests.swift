// Ranks that are stuck end the job, with a line that names them, and leave nothing behind.

import Foundation
import Liveness
import TestSupport
import Testing

@Suite(.serialized) struct StallTests {
  /// Trains on three ranks, and stops one of them by SIGSTOP; with it the launcher, if asked for.
  private func stopping(
    rank: Int, _ folder: String, withLauncher: Bool = false
  ) throws -> (run: ProgramRun, ranks: [Int: pid_t]) {
    try TinyImages.squares(folder + "/data")
    let arguments = TinyTraining.arguments(
      data: folder + "/data", output: folder + "/run",
      ["--steps", "1000000", "--global-batch", "3", "--stall-timeout", "2"])
    let trace = RunTrace(path: folder + "/run")
    var ranks: [Int: pid_t] = [:]
    var stopped = Date.distantFuture
    let run = try ProgramRun.unetDist(ranks: 3, arguments, timeLimit: 60) { launcher in
      if ranks.isEmpty {
        guard trace.lineCount > 2 else { return }
        ranks = ProgramRun.ranks(of: launcher)
        if withLauncher { kill(launcher, SIGSTOP) }
        if let process = ranks[rank] { kill(process, SIGSTOP) }
        stopped = Date()
      } else if withLauncher, Date() > stopped + 12 {
        kill(launcher, SIGCONT)
      }
    }
    #expect(ranks.count == 3, "\(run)")
    return (run, ranks)
  }

  @Test(arguments: [0, 2]) func aStoppedRankEndsTheJobAndIsNamed(rank: Int) throws {
    try withTemporaryFolder { folder in
      let (run, ranks) = try stopping(rank: rank, folder)
      #expect(run.exitStatus == 75 && !run.timedOut, "\(run)")
      let process = try #require(ranks[rank])
      for beginning in ["warning: step ", "error: step "] {
        let lines = run.standardError.split(separator: "\n").filter { $0.hasPrefix(beginning) }
        #expect(lines.count == 1, "\(run)")
        #expect(lines.first?.contains(": no progress of rank \(rank) on ") == true, "\(run)")
        // Where it was stopped a step before the others, that is said in between.
        #expect(lines.first?.contains("(process \(process), ") == true, "\(run)")
        #expect(lines.first?.contains("stopped by a signal)") == true, "\(run)")
      }
      try expectGone(ranks)
    }
  }

  /// A launcher that is cut off ends nobody.
  @Test func noRankStaysWhereTheLauncherHangsToo() throws {
    try withTemporaryFolder { folder in
      let (run, ranks) = try stopping(rank: 1, folder, withLauncher: true)
      #expect(run.exitStatus == 75 && !run.timedOut, "\(run)")
      try expectGone(ranks)
    }
  }

  @Test func aRankThatRunsAnotherProgramEndsTheStart() throws {
    try withTemporaryFolder { folder in
      let program = try ProgramRun.builtProgram(named: "unet-dist").path
      let text = """
        if [ "$\(MPILauncher.rankVariable)" = 1 ]; then exec sleep 50; fi
        exec '\(program)' train --output '\(folder)/run'
        """
      let run = try ProgramRun.mpirun(
        ranks: 2, program: URL(fileURLWithPath: "/bin/sh"), arguments: ["-c", text],
        environment: ["UNET_DIST_START_TIMEOUT": "2"], timeLimit: 40)
      #expect(run.exitStatus == 75 && !run.timedOut, "\(run)")
      #expect(
        run.errorLines.first?.hasPrefix("error: rank 0 has waited 2 s for the other ranks to start")
          == true, "\(run)")
    }
  }

  @Test(arguments: ["evaluate", "predict"]) func otherCommandsHaveTheLimitToo(
    _ name: String
  ) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let command = [name, "--checkpoint", try TinyTraining.checkpoint(in: folder)]
      let inputs =
        name == "evaluate"
        ? ["--data", folder + "/data"] : [folder + "/data/images", "--output", folder + "/out"]
      let fault = Fault(kind: "stop", rank: 1, moment: "end", step: 0)
      let run = try ProgramRun.unetDist(
        ranks: 2, command + inputs + ["--stall-timeout", "1"],
        environment: fault.environment(trace: folder + "/trace"))
      #expect(run.exitStatus == 75 && !run.timedOut, "\(run)")
      #expect(run.errorLines.count == 1, "\(run)")
      // Also where it stands still at its very end.
      #expect(run.errorLines.first?.contains(": no progress of rank 1 on ") == true, "\(run)")
    }
  }

  /// An evaluation of two seconds and more on one rank, for which the other has nothing to do.
  @Test func ranksThatWaitForALongPhaseOfAnotherGoOn() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      try TinyImages.squares(folder + "/large", count: 1, side: 1500)
      let arguments = TinyTraining.arguments(
        data: folder + "/data", output: folder + "/run",
        [
          "--steps", "2", "--global-batch", "2", "--validation-data", folder + "/large",
          "--stall-timeout", "1",
        ])
      let run = try ProgramRun.unetDist(ranks: 2, arguments, timeLimit: 60)
      #expect(run.succeeded, "\(run)")
    }
  }

  /// Stopped as a whole for longer than its limit, as by Ctrl-Z, a run goes on.
  @Test func aPauseIsNoStall() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let trace = RunTrace(path: folder + "/run")
      let arguments = TinyTraining.arguments(
        data: folder + "/data", output: trace.path, ["--steps", "2000", "--stall-timeout", "1"])
      var paused: Date?
      let run = try ProgramRun.unetDist(ranks: 1, arguments, timeLimit: 60) { process in
        if let moment = paused {
          if Date() > moment + 3 {
            kill(process, SIGCONT)
            paused = .distantFuture
          }
        } else if trace.lineCount > 2 {
          kill(process, SIGSTOP)
          paused = Date()
        }
      }
      #expect(run.succeeded, "\(run)")
    }
  }

  private func expectGone(_ ranks: [Int: pid_t]) throws {
    var left: [pid_t] = []
    for _ in 0..<500 {
      // One that nobody has waited for yet has ended, too.
      left = ranks.values.filter { process in
        ProcessState(of: Int(process)).map { $0.letter != "Z" } ?? false
      }
      if left.isEmpty { return }
      usleep(20_000)
    }
    Issue.record("processes \(left) are still there")
  }
}
