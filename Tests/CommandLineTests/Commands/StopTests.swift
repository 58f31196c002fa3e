// Runs that signals stop, and that go on as if nothing had happened.

import Files
import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct StopTests {
  private static let options = [
    "--optimizer", "adam", "--learning-rate", "0.001", "--global-batch", "3", "--evaluate-every",
    "25", "--validation-fraction", "0.25", "--checkpoint-every", "0", "--keep", "2", "--ema", "0.9",
    "--patience", "1000",
  ]

  /// At moments of any kind: in a step, in an evaluation, in the preparation, at the end.
  @Test(
    arguments: [(1, SIGTERM), (1, SIGINT), (1, SIGHUP), (1, SIGXCPU), (2, SIGUSR1), (3, SIGUSR2)])
  func losesNoStepHoweverOftenItIsStopped(ranks: Int, signal: Int32) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = Self.options + ["--steps", ranks == 1 ? "1500" : "120"]
      let whole = try TrainingRunTests.train(folder, into: "whole", ranks: 1, options)

      func beginning(_ round: Int) -> (RunTrace, [String]) {
        let trace = RunTrace(path: folder + "/stopped-\(round)")
        let arguments = TinyTraining.arguments(
          data: folder + "/data", output: trace.path, options)
        return (trace, arguments)
      }
      var (trace, arguments) = beginning(0)
      var (stops, attempts, round) = (0, 0, 0)
      while true {
        // Six times, then it may end.
        let run = try Self.train(
          arguments, ranks: ranks, trace: trace, signal: attempts < 6 ? signal : 0)
        attempts += 1
        #expect(run.errorLines.isEmpty && !run.timedOut, "\(run)")
        if run.exitStatus == 0 {
          if stops > 0 || round == 9 { break }
          // It was faster than the signal.
          (round, attempts) = (round + 1, 0)
          (trace, arguments) = beginning(round)
          continue
        }
        #expect(run.exitStatus == 85, "\(run)")
        guard run.exitStatus == 85 else { return }
        // Stopped before its first step, it begins again by the same command.
        guard FileManager.default.fileExists(atPath: trace.path + "/latest.safetensors") else {
          continue
        }
        stops += 1
        try #require(attempts < 50, "never at an end")
        let last = try #require(trace.steps().last?["step"] as? Int)
        #expect(
          try trace.checkpointNames().last == "step-\(String(format: "%08d", last)).safetensors",
          "\(run)")
        arguments = ["train", "--resume", "--output", trace.path]
      }
      #expect(stops > 0)
      #expect(try trace.tensors() == whole.tensors())
      #expect(try trace.losses() == whole.losses())
      #expect(try Self.evaluations(trace) == Self.evaluations(whole))
      #expect(
        try FileManager.default.destinationOfSymbolicLink(atPath: trace.path + "/best.safetensors")
          == FileManager.default.destinationOfSymbolicLink(
            atPath: whole.path + "/best.safetensors"))
    }
  }

  /// Runs until a random moment after the first step of this start, at most.
  private static func train(
    _ arguments: [String], ranks: Int, trace: RunTrace, signal: Int32
  ) throws -> ProgramRun {
    let before = trace.lineCount
    var due: Date?
    return try ProgramRun.unetDist(ranks: ranks, arguments, timeLimit: 60) { process in
      if let moment = due {
        guard moment < Date() else { return }
        kill(process, signal)
        due = .distantFuture
      } else if trace.lineCount > before {
        due = Date(timeIntervalSinceNow: .random(in: 0...0.2))
      }
    }
  }

  private static func evaluations(_ trace: RunTrace) throws -> [String] {
    try trace.log().filter { $0["event"] as? String == "evaluation" }.map {
      "\($0["step"] ?? "") \($0["best"] ?? "") "
        + "\(($0["scores"] as? [String: Any])?["loss"] ?? "")"
    }
  }

  /// Steps of a second and more.
  private static func slowly(tile: Int) -> [String] {
    [
      "--base-channels", "64", "--depth", "2", "--tile", "\(tile)", "--global-batch", "6",
      "--validation-fraction", "0", "--checkpoint-every", "0",
    ]
  }

  @Test func saysWhatItDoesAndWhatItDid() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let trace = RunTrace(path: folder + "/run")
      // Steps that are long enough for the first line to come before the second.
      let arguments = TinyTraining.arguments(
        data: folder + "/data", output: trace.path,
        Self.slowly(tile: 128) + ["--steps", "1000000"])
      let run = try Self.train(arguments, ranks: 1, trace: trace, signal: SIGINT)
      #expect(run.exitStatus == 85, "\(run)")
      let last = try #require(trace.steps().last?["step"] as? Int)
      let path = trace.path + "/checkpoints/step-\(String(format: "%08d", last)).safetensors"
      let lines = run.standardError.split(separator: "\n").map(String.init)
      let first = "INT: stopping after this step, which will be saved; Ctrl-C again ends at once"
      #expect(lines.contains(first), "\(run)")
      let end = "stopped by INT after step \(last), which is saved as \(path); --resume goes on"
      // Its page follows.
      #expect(lines.suffix(2).first == end, "\(run)")
      #expect(lines.last == "the report of the run is \(trace.path)/report.html", "\(run)")
      let event = try #require(trace.log().last)
      #expect(event["event"] as? String == "stop" && event["signal"] as? String == "INT")
      #expect(event["step"] as? Int == last)
    }
  }

  @Test func aSecondInterruptEndsAtOnce() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      // Steps of several seconds.
      let arguments = TinyTraining.arguments(
        data: folder + "/data", output: folder + "/run",
        Self.slowly(tile: 256) + ["--steps", "9"])
      var polls = 0
      let run = try ProgramRun.unetDist(ranks: 1, arguments, timeLimit: 40) { process in
        // The log is opened when the preparation has ended.
        guard FileManager.default.fileExists(atPath: folder + "/run/log.jsonl") else { return }
        polls += 1
        if polls == 50 || polls == 80 { kill(process, SIGINT) }
      }
      #expect(run.exitStatus == 128 + SIGINT && !run.timedOut, "\(run)")
    }
  }

  /// Before its first step a run has nothing to save, and says so.
  @Test func endsAtOnceInThePreparation() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", count: 60, side: 200)
      let arguments = TinyTraining.arguments(
        data: folder + "/data", output: folder + "/run",
        ["--steps", "9", "--weight-map", "unet", "--cache", "none"])
      var hasSent = false
      let run = try ProgramRun.unetDist(ranks: 1, arguments, timeLimit: 40) { process in
        guard !hasSent, ProgramRun.catches(SIGTERM, process) else { return }
        hasSent = true
        kill(process, SIGTERM)
      }
      #expect(run.exitStatus == 85 && !run.timedOut, "\(run)")
      let text = "stopped by a signal before the first step, with nothing to save"
      #expect(run.standardError.contains(text), "\(run)")
    }
  }

  /// mpirun gives its ranks little time after TERM, and answers 1 itself.
  @Test func savesInTheTimeThatMpirunGives() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let trace = RunTrace(path: folder + "/run")
      let arguments = TinyTraining.arguments(
        data: folder + "/data", output: trace.path, Self.options + ["--steps", "1000000"])
      var hasSent = false
      let run = try ProgramRun.unetDist(
        ranks: 2, arguments, environment: ["OMPI_MCA_odls_base_sigkill_timeout": "1"]
      ) { process in
        guard !hasSent, trace.lineCount > 3 else { return }
        hasSent = true
        kill(process, SIGTERM)
      }
      #expect(!run.timedOut && run.exitStatus != 0, "\(run)")
      let last = try #require(trace.steps().last?["step"] as? Int)
      #expect(
        try trace.checkpointNames().last == "step-\(String(format: "%08d", last)).safetensors",
        "\(run)")
    }
  }

  @Test func aSignalThatIsIgnoredStopsNothing() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let program = try ProgramRun.builtProgram(named: "unet-dist").path
      let arguments = TinyTraining.arguments(
        data: folder + "/data", output: folder + "/run", ["--steps", "300"])
      let command = ([program] + arguments).map { "'\($0)'" }.joined(separator: " ")
      let text = """
        trap '' HUP
        \(command) &
        process=$!
        until [ -s '\(folder)/run/log.jsonl' ]; do sleep 0.01; done
        kill -HUP $process
        wait $process
        """
      let run = try ProgramRun.run(
        script: text, at: URL(fileURLWithPath: folder + "/ignoring.sh"), ranks: 1, timeLimit: 40)
      #expect(run.succeeded, "\(run)")
      #expect(try RunTrace(path: folder + "/run").steps().count == 300)
    }
  }
}
