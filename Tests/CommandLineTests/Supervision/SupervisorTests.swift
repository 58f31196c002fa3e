// Trainings that go on by themselves when their processes are killed.

import Files
import Foundation
import TestSupport
import Testing

/// Scripts/supervise starts Open MPI's mpirun, with its options.
private let startsOpenMPI = ConditionTrait.enabled(if: MPILauncher.isOpenMPI)

@Suite(.serialized) struct SupervisorTests {
  private static let options = [
    "--optimizer", "adam", "--learning-rate", "0.001", "--global-batch", "3", "--evaluate-every",
    "50", "--validation-fraction", "0.25", "--checkpoint-every", "0",
  ]
  private static let environment = ["UNET_DIST_LONGEST_PAUSE": "0"]

  /// The child of a supervisor that has this number; of several the one of this name.
  private static func child(of process: pid_t, named name: String? = nil) -> pid_t? {
    let path = "/proc/\(process)/task/\(process)/children"
    let text = try? String(contentsOfFile: path, encoding: .utf8)
    return text?.split(separator: " ").compactMap { pid_t($0) }.first { child in
      let own = try? String(contentsOfFile: "/proc/\(child)/comm", encoding: .utf8)
      return name.map { own == $0 + "\n" } ?? true
    }
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

  /// It is not killed, since whoever stopped it may want it to go on; a signal that asks for the end reaches it.
  @Test func aStoppedChildIsToldOf() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let trace = RunTrace(path: folder + "/run")
      var stopped: (child: pid_t, since: Date)?
      var isAsked = false
      let run = try ProgramRun.unetDist(
        ranks: 1,
        TinyTraining.arguments(
          data: folder + "/data", output: trace.path,
          Self.options + ["--steps", "1000000", "--max-restarts", "9"])
      ) { process in
        if let stopped {
          guard !isAsked, stopped.since.timeIntervalSinceNow < -2 else { return }
          isAsked = true
          kill(process, SIGTERM)
        } else if trace.lineCount > 5, let child = Self.child(of: process) {
          kill(child, SIGSTOP)
          stopped = (child, Date())
        }
      }
      #expect(run.exitStatus == 85 && !run.timedOut, "\(run)")
      let child = try #require(stopped?.child)
      #expect(run.standardError.contains("the training is stopped; kill -CONT \(child)"), "\(run)")
      #expect(!run.standardError.contains("it goes on in"), "\(run)")
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

  /// Runs `Scripts/supervise` over two ranks into `folder`/run.
  private static func supervise(
    _ folder: String, script options: [String] = [], _ more: [String],
    environment: [String: String?] = [:], timeLimit: Double = 60,
    disturb: (pid_t) -> Void = { _ in }
  ) throws -> ProgramRun {
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../../Scripts/supervise").standardized
    let program = try ProgramRun.builtProgram(named: "unet-dist").path
    let own: [String: String?] = [
      "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
      "UNET_DIST_JOB": nil,
    ]
    return try ProgramRun(
      script,
      arguments: [
        "-np", "2", "--longest-pause", "0", "--mpirun", "--oversubscribe", "--program", program,
      ] + options + ["--"]
        + TinyTraining.arguments(
          data: folder + "/data", output: folder + "/run", Self.options + more
        )
        .dropFirst(),
      environment: own.merging(environment) { $1 }, timeLimit: timeLimit, disturb: disturb)
  }

  /// Over two ranks, of which one is killed, and the launcher, and at last it is told to stop.
  @Test(startsOpenMPI) func aJobOfMPIRunIsStartedAgain() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let trace = RunTrace(path: folder + "/run")
      var (lines, kills) = (0, 0)
      let stopped = try Self.supervise(folder, ["--steps", "1000000"], timeLimit: 120) { process in
        guard kills < 3, trace.lineCount > lines + 5 else { return }
        guard let launcher = Self.child(of: process, named: "mpirun"),
          let rank = ProgramRun.ranks(of: launcher)[1]
        else { return }
        let victims = [(rank, SIGKILL), (launcher, SIGKILL), (process, SIGTERM)]
        kill(victims[kills].0, victims[kills].1)
        kills += 1
        lines = trace.lineCount
      }
      #expect(stopped.exitStatus == 85 && !stopped.timedOut, "\(stopped)")
      #expect(kills == 3)
      let last = try #require(trace.steps().last?["step"] as? Int)
      let run = try Self.supervise(folder, ["--steps", "\(last + 2)"])
      #expect(run.succeeded && run.standardError.contains("supervise: the run is done"), "\(run)")
      #expect(!FileManager.default.fileExists(atPath: trace.path + "/.job-notes"))
      let whole = try TrainingRunTests.train(
        folder, into: "whole", Self.options + ["--steps", "\(last + 2)"])
      #expect(try trace.tensors() == whole.tensors())
      #expect(try trace.losses() == whole.losses())
    }
  }

  /// A host whose daemon ends, says nothing or cannot be started: no rank comes, and mpirun may wait for ever.
  @Test(startsOpenMPI, arguments: ["exit 0", "sleep 100", "exit 1", "exit 127"])
  func aHostThatStartsNoRankIsNotWaitedFor(_ daemon: String) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let agent = folder + "/agent"
      try Data(
        "#!/bin/sh\ncase \"$*\" in *orted*) \(daemon) ;; esac\nshift\nexec sh -c \"$*\"\n".utf8
      )
      .write(to: URL(fileURLWithPath: agent))
      chmod(agent, 0o755)
      try Data("elsewhere slots=2\n".utf8).write(to: URL(fileURLWithPath: folder + "/hosts"))
      let run = try Self.supervise(
        folder,
        script: ["--hostfile", folder + "/hosts", "--agent", agent, "--max-restarts", "1"],
        ["--steps", "2"], environment: ["UNET_DIST_START_TIMEOUT": "0.5"], timeLimit: 90)
      #expect(run.exitStatus == 75 && !run.timedOut, "\(run)")
      let lines = run.standardError.split(separator: "\n")
      #expect(
        lines.count { $0.hasPrefix("supervise: ") && $0.contains("; it goes on in") } == 1, "\(run)"
      )
      #expect(
        lines.count {
          $0.hasPrefix("supervise: no rank has come in ") || $0.contains("no rank has told why")
        } == 2, "\(run)")
      #expect(lines.last?.contains("given up: it was started again 1 times") == true, "\(run)")
    }
  }

  /// The run goes on with the ranks for which there are slots.
  @Test(startsOpenMPI) func aHostThatDoesNotAnswerIsLeftOut() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let agent = folder + "/agent"
      try Data("#!/bin/sh\nexit 1\n".utf8).write(to: URL(fileURLWithPath: agent))
      chmod(agent, 0o755)
      try Data("localhost slots=1\nelsewhere slots=3\n".utf8)
        .write(to: URL(fileURLWithPath: folder + "/hosts"))
      let run = try Self.supervise(
        folder, script: ["--hostfile", folder + "/hosts", "--agent", agent], ["--steps", "3"])
      #expect(run.succeeded, "\(run)")
      for line in [
        "supervise: elsewhere does not answer and is left out of this start",
        "supervise: 1 ranks in place of 2, as many as there are slots on the hosts that answer",
        "supervise: the run is done",
      ] {
        #expect(run.standardError.contains(line), "\(run)")
      }
      #expect(try RunTrace(path: folder + "/run").steps().count == 3)
    }
  }

  /// mpirun kills ranks that take longer than a second to save, and says what it says of any failure.
  @Test(startsOpenMPI) func aLauncherThatWasStoppedIsStartedAgain() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let trace = RunTrace(path: folder + "/run")
      var (stopped, lines): (pid_t?, Int) = (nil, 8)
      let run = try Self.supervise(
        folder, ["--steps", "1000000"],
        environment: Fault(kind: "slowsync", moment: "load", step: 3).environment(
          trace: folder + "/trace"), timeLimit: 120
      ) { process in
        // The ranks of a launcher that was stopped go on for a moment: it is the next one's that have to come.
        guard trace.lineCount > lines, let launcher = Self.child(of: process, named: "mpirun"),
          launcher != stopped
        else { return }
        kill(stopped == nil ? launcher : process, SIGTERM)
        lines = stopped == nil ? trace.lineCount + 20 : .max
        stopped = launcher
      }
      #expect(run.exitStatus == 85 && !run.timedOut, "\(run)")
      #expect(
        run.standardError.contains("mpirun ended with status 1, and no rank has told why"), "\(run)"
      )
      #expect(
        run.standardError.contains("supervise: stopped; the job ended with status 85"), "\(run)")
    }
  }

  /// With a rank that stands still the first one would be obeyed when the stall is over.
  @Test(startsOpenMPI, arguments: [SIGINT, SIGTERM]) func aSecondSignalIsObeyedAtOnce(signal: Int32)
    throws
  {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let trace = RunTrace(path: folder + "/run")
      var signals: [Date] = []
      let run = try Self.supervise(folder, ["--steps", "1000000", "--stall-timeout", "60"]) {
        process in
        if signals.isEmpty {
          guard trace.lineCount > 5, let launcher = Self.child(of: process, named: "mpirun"),
            let rank = ProgramRun.ranks(of: launcher)[1]
          else { return }
          kill(rank, SIGSTOP)
        } else if signals.count > 1 || signals[0] > Date() - 1 {
          return
        }
        kill(process, signal)
        signals.append(Date())
      }
      #expect(run.exitStatus == 130 && !run.timedOut && run.seconds < 30, "\(run)")
      #expect(run.standardError.contains("ended at once by a second signal"), "\(run)")
    }
  }
}
