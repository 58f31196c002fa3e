// Trainings that go on by themselves when their processes are killed.

import Files
import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct SupervisorTests {
  private static let options = [
    "--optimizer", "adam", "--learning-rate", "0.001", "--global-batch", "3", "--evaluate-every",
    "50", "--validation-fraction", "0.25", "--checkpoint-every", "0",
  ]
  private static let environment = ["UNET_DIST_LONGEST_PAUSE": "0"]

  /// The child of a supervisor that has this number.
  private static func child(of process: pid_t) -> pid_t? {
    let path = "/proc/\(process)/task/\(process)/children"
    let text = try? String(contentsOfFile: path, encoding: .utf8)
    return text?.split(separator: " ").first.flatMap { pid_t($0) }
  }

  @Test func aKilledProcessIsStartedAgain() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let whole = try TrainingRunTests.train(
        folder, into: "whole", Self.options + ["--steps", "900"])
      let trace = RunTrace(path: folder + "/run")
      var killed: Set<pid_t> = []
      var lines = 0
      let run = try ProgramRun.unetDist(
        ranks: 1,
        TinyTraining.arguments(
          data: folder + "/data", output: trace.path,
          Self.options + ["--steps", "900", "--max-restarts", "9"]),
        environment: Self.environment, timeLimit: 120
      ) { process in
        guard killed.count < 3, trace.lineCount > lines + 20,
          let child = Self.child(of: process), !killed.contains(child)
        else { return }
        kill(child, killed.count == 1 ? SIGSEGV : SIGKILL)
        killed.insert(child)
        lines = trace.lineCount
      }
      #expect(run.succeeded, "\(run)")
      #expect(!killed.isEmpty)
      let restarts = run.standardError.split(separator: "\n").filter {
        $0.contains("it goes on in 0 s")
      }
      #expect(restarts.count == killed.count, "\(run)")
      try SameBitsTests.expectSame(trace, whole, "\(killed.count) kills")
    }
  }

  /// TERM comes by way of the parent, and is the end.
  @Test func aStopIsTheEnd() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let trace = RunTrace(path: folder + "/run")
      var isAsked = false
      let run = try ProgramRun.unetDist(
        ranks: 1,
        TinyTraining.arguments(
          data: folder + "/data", output: trace.path,
          Self.options + ["--steps", "1000000", "--max-restarts", "9"])
      ) { process in
        guard !isAsked, trace.lineCount > 5 else { return }
        isAsked = true
        kill(process, SIGTERM)
      }
      #expect(run.exitStatus == 85 && !run.timedOut, "\(run)")
      let last = try #require(trace.steps().last?["step"] as? Int)
      #expect(
        try trace.checkpointNames() == ["step-\(String(format: "%08d", last)).safetensors"])
    }
  }

  @Test func aChildGoesWithItsParent() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let trace = RunTrace(path: folder + "/run")
      var child: pid_t?
      let run = try ProgramRun.unetDist(
        ranks: 1,
        TinyTraining.arguments(
          data: folder + "/data", output: trace.path,
          Self.options + ["--steps", "1000000", "--max-restarts", "9"])
      ) { process in
        guard child == nil, trace.lineCount > 5 else { return }
        child = Self.child(of: process)
        kill(process, SIGKILL)
      }
      #expect(run.exitStatus == 128 + SIGKILL, "\(run)")
      let process = try #require(child)
      for _ in 0..<100 where kill(process, 0) == 0 { usleep(20_000) }
      #expect(kill(process, 0) != 0)
      // Its states wait for the next start.
      let next = try ProgramRun.unetDist(
        ranks: 1, ["train", "--resume", "--output", trace.path, "--steps", "1000000"]
      ) { process in
        if trace.lineCount > 20 { kill(process, SIGTERM) }
      }
      #expect(next.standardError.contains("kept in /dev/shm"), "\(next)")
    }
  }

  @Test func badInputIsNotTriedAgain() throws {
    try withTemporaryFolder { folder in
      let run = try ProgramRun.unetDist(
        ranks: 1,
        [
          "train", "--data", folder + "/nowhere", "--output", folder + "/run", "--max-restarts",
          "9",
        ])
      run.expectOneError(naming: ["nowhere"])
      #expect(!run.standardError.contains("it goes on"), "\(run)")
    }
  }

  @Test func aRunThatWinsNothingIsGivenUp() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      var killed: Set<pid_t> = []
      let run = try ProgramRun.unetDist(
        ranks: 1,
        TinyTraining.arguments(
          data: folder + "/data", output: folder + "/run",
          Self.options + ["--steps", "1000000", "--max-restarts", "99"]),
        environment: Self.environment
      ) { process in
        guard let child = Self.child(of: process), killed.insert(child).inserted else { return }
        kill(child, SIGKILL)
      }
      #expect(run.exitStatus == 128 + SIGKILL, "\(run)")
      #expect(killed.count == 5)
      #expect(run.standardError.contains("is given up: no step was won in 5 starts"), "\(run)")
    }
  }

  /// `Scripts/supervise` over two ranks, of which one is killed, and the launcher, and at last it is told to stop.
  @Test func aJobOfMPIRunIsStartedAgain() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../../Scripts/supervise").standardized
      let program = try ProgramRun.builtProgram(named: "unet-dist").path
      let trace = RunTrace(path: folder + "/run")
      let arguments =
        [
          "-np", "2", "--longest-pause", "0", "--mpirun", "--oversubscribe", "--program", program,
          "--",
        ]
        + TinyTraining.arguments(data: folder + "/data", output: trace.path, Self.options)
        .dropFirst()
      var environment: [String: String?] = [
        "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
      ]
      environment["UNET_DIST_JOB"] = .some(nil)
      var (lines, kills) = (0, 0)
      let stopped = try ProgramRun(
        script, arguments: arguments + ["--steps", "1000000"], environment: environment,
        timeLimit: 120
      ) { process in
        guard kills < 3, trace.lineCount > lines + 5 else { return }
        guard let launcher = Self.child(of: process), let rank = ProgramRun.ranks(of: launcher)[1]
        else {
          return
        }
        let victims = [(rank, SIGKILL), (launcher, SIGKILL), (process, SIGTERM)]
        kill(victims[kills].0, victims[kills].1)
        kills += 1
        lines = trace.lineCount
      }
      #expect(stopped.exitStatus == 85 && !stopped.timedOut, "\(stopped)")
      #expect(kills == 3)
      let last = try #require(trace.steps().last?["step"] as? Int)
      let run = try ProgramRun(
        script, arguments: arguments + ["--steps", "\(last + 2)"], environment: environment)
      #expect(run.succeeded, "\(run)")
      let whole = try TrainingRunTests.train(
        folder, into: "whole", Self.options + ["--steps", "\(last + 2)"])
      #expect(try trace.tensors() == whole.tensors())
      #expect(try trace.losses() == whole.losses())
    }
  }
}
