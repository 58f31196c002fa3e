// Runs that stop and go on end as if they had never stopped.

import Files
import Foundation
import TestSupport
import Testing

@Suite struct ResumeTests {
  private static let options = [
    "--optimizer", "adam", "--learning-rate", "0.01", "--global-batch", "2", "--evaluate-every",
    "3", "--validation-fraction", "0.25",
  ]

  @Test(arguments: [1, 2])
  func goesOnAsIfItHadNotStopped(ranks: Int) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      // It stops where it is scored anyway, for the last step always is, and may be the best.
      let whole = try TrainingRunTests.train(
        folder, into: "whole", ranks: ranks, Self.options + ["--steps", "9"])
      try TrainingRunTests.train(
        folder, into: "parts", ranks: ranks, Self.options + ["--steps", "6"])
      // Its other options are those that the run wrote down.
      let run = try ProgramRun.unetDist(
        ranks: ranks,
        ["train", "--resume", "--output", folder + "/parts", "--steps", "9"])
      #expect(run.succeeded, "\(run)")
      #expect(run.standardError.contains("continuing after step 6"), "\(run)")

      let parts = RunTrace(path: folder + "/parts")
      #expect(try parts.tensors() == whole.tensors())
      #expect(try parts.losses() == whole.losses())
      #expect(try parts.steps().map { $0["step"] as? Int } == Array(1...9))
      #expect(try parts.log().contains { $0["event"] as? String == "resume" })
      for name in ["best.safetensors", "latest.safetensors"] {
        #expect(
          try FileManager.default.destinationOfSymbolicLink(atPath: "\(parts.path)/\(name)")
            == FileManager.default.destinationOfSymbolicLink(atPath: "\(whole.path)/\(name)"))
      }
    }
  }

  /// Its division has nothing on the side of validation.
  @Test func goesOnWithoutImagesToValidateOn() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = ["--validation-fraction", "0", "--global-batch", "2"]
      let whole = try TrainingRunTests.train(folder, into: "whole", options + ["--steps", "4"])
      try TrainingRunTests.train(folder, into: "parts", options + ["--steps", "2"])
      let run = try ProgramRun.unetDist(
        "train", "--resume", "--output", folder + "/parts", "--steps", "4")
      #expect(run.succeeded, "\(run)")
      #expect(try RunTrace(path: folder + "/parts").tensors() == whole.tensors())
    }
  }

  /// A file that version 0.1.0 wrote after two of four steps.
  @Test func goesOnFromACheckpointOfFormat1() throws {
    try withTemporaryFolder { folder in
      let run = try ProgramRun.unetDist(
        "train", "--output", folder + "/run", "--resume", Fixtures.path("checkpoint-format-1"),
        "--base-channels", "2", "--depth", "1", "--padding", "zero", "--tile", "16", "--steps", "4",
        "--global-batch", "2", "--optimizer", "adam", "--learning-rate", "0.001", "--seed", "3",
        "--evaluate-every", "2", "--checkpoint-every", "2", "--threads", "1")
      #expect(run.succeeded, "\(run)")
      #expect(run.standardError.contains("continuing after step 2"), "\(run)")
      let trace = RunTrace(path: folder + "/run")
      #expect(try trace.steps().map { $0["step"] as? Int } == [3, 4])
      // As far as another processor's roundings reach in two steps.
      expectClose(
        try trace.losses(), [9.043665437609889, 4.0117968232079875],
        Tolerance(absolute: 1e-3, relative: 1e-3), "losses")
      let resumed = try #require(try trace.log().first { $0["event"] as? String == "resume" })
      #expect(resumed["program_version"] as? String == "0.2.0")
      #expect(resumed["program_revision"] is String)
    }
  }

  @Test func goesBackToANamedCheckpoint() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = Self.options + ["--steps", "6", "--checkpoint-every", "2", "--keep", "9"]
      let run = try TrainingRunTests.train(folder, options)
      let (tensors, losses) = try (run.tensors(), run.losses())
      try TrainingRunTests.train(
        folder, options + ["--resume", run.path + "/checkpoints/step-00000002.safetensors"])
      #expect(try run.tensors() == tensors)
      #expect(try run.losses() == losses)
    }
  }

  /// Cut short, altered or empty, it is kept under another name, and the run ends as if it had been whole.
  @Test(arguments: [1, 2]) func takesTheCheckpointBeforeADamagedOne(ranks: Int) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = Self.options + ["--checkpoint-every", "2", "--keep", "9"]
      let whole = try TrainingRunTests.train(
        folder, into: "whole", options + ["--steps", "9"])
      let run = try TrainingRunTests.train(folder, options + ["--steps", "6"])
      let newest = try Data(
        contentsOf: URL(fileURLWithPath: run.path + "/checkpoints/step-00000006.safetensors"))
      var altered = newest
      altered[newest.count - 5] ^= 1
      let damages = [altered, newest.prefix(newest.count / 2), Data()]
      for (index, step) in [6, 4, 2].enumerated().prefix(ranks == 1 ? 2 : 1) {
        try damages[index].write(
          to: URL(fileURLWithPath: run.path + "/checkpoints/step-0000000\(step).safetensors"))
      }
      let resumed = try ProgramRun.unetDist(
        ranks: ranks, ["train", "--resume", "--output", run.path, "--steps", "9"])
      #expect(resumed.succeeded, "\(resumed)")
      let warnings = resumed.standardError.split(separator: "\n").filter {
        $0.hasPrefix("warning: ") && $0.contains("it is kept as")
      }
      #expect(warnings.count == (ranks == 1 ? 2 : 1), "\(resumed)")
      #expect(try run.tensors() == whole.tensors())
      #expect(try run.losses() == whole.losses())
      let kept = try Data(
        contentsOf: URL(
          fileURLWithPath: run.path + "/checkpoints/step-00000006.safetensors.damaged"))
      #expect(kept == altered)
    }
  }

  @Test func tellsOfStepsThatTheLogLacks() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = Self.options + ["--steps", "6"]
      let run = try TrainingRunTests.train(folder, options)
      let log = URL(fileURLWithPath: run.path + "/log.jsonl")
      let lines = try String(contentsOf: log, encoding: .utf8).split(separator: "\n")
      try lines.filter { !$0.hasPrefix(#"{"step": 5,"#) }.joined(separator: "\n").appending("\n")
        .write(to: log, atomically: true, encoding: .utf8)
      let resumed = try ProgramRun.unetDist(
        "train", "--resume", "--output", run.path, "--steps", "8")
      #expect(resumed.succeeded, "\(resumed)")
      #expect(
        resumed.standardError.contains("warning: \(run.path)/log.jsonl has no lines of step 5"),
        "\(resumed)")
    }
  }

  /// An older one under its name, or one of a run with another seed: both whole, and neither the run's state.
  @Test(arguments: [1, 2]) func takesTheCheckpointBeforeOneThatWasCopiedOver(ranks: Int) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = Self.options + ["--checkpoint-every", "2", "--keep", "9"]
      let whole = try TrainingRunTests.train(folder, into: "whole", options + ["--steps", "8"])
      let other = try TrainingRunTests.train(
        folder, into: "other", options + ["--steps", "6", "--seed", "9"])
      for (index, (source, fault)) in [
        (whole.path + "/checkpoints/step-00000002.safetensors", "found that after step 2"),
        (other.path + "/checkpoints/step-00000006.safetensors", "found other values of --seed"),
      ].enumerated() {
        let run = try TrainingRunTests.train(
          folder, into: "run-\(index)", options + ["--steps", "6"])
        let newest = run.path + "/checkpoints/step-00000006.safetensors"
        try Data(contentsOf: URL(fileURLWithPath: source)).write(to: URL(fileURLWithPath: newest))
        let resumed = try ProgramRun.unetDist(
          ranks: ranks, ["train", "--resume", "--output", run.path, "--steps", "8"])
        #expect(resumed.succeeded, "\(resumed)")
        let warnings = resumed.standardError.split(separator: "\n").filter {
          $0.hasPrefix("warning: ") && $0.contains("it is kept as")
        }
        #expect(warnings.count == 1 && warnings[0].contains(fault), "\(resumed)")
        #expect(resumed.standardError.contains("continuing after step 4"), "\(resumed)")
        #expect(FileManager.default.fileExists(atPath: newest + ".damaged"))
        #expect(try run.tensors() == whole.tensors())
      }
      // Where all are of other options than are given, nothing is put aside.
      let resumed = try ProgramRun.unetDist(
        ranks: ranks, ["train", "--resume", "--output", other.path, "--seed", "3"])
      resumed.expectOneError(naming: ["step-00000006.safetensors", "--seed"])
      #expect(try other.checkpointNames().contains("step-00000006.safetensors"))
    }
  }

  /// The same command starts a run, goes on with it, and has nothing left to do.
  @Test(arguments: [1, 2]) func oneCommandForEveryStart(ranks: Int) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let whole = try TrainingRunTests.train(
        folder, into: "whole", Self.options + ["--steps", "6"])
      let trace = RunTrace(path: folder + "/run")
      for (steps, said) in [
        ("3", "3 steps done"), ("6", "continuing after step 3"), ("6", "after step 6"),
      ] {
        let run = try ProgramRun.unetDist(
          ranks: ranks,
          TinyTraining.arguments(
            data: folder + "/data", output: trace.path,
            Self.options + ["--steps", steps, "--resume-or-start"]))
        #expect(run.succeeded && run.standardError.contains(said), "\(run)")
      }
      #expect(try trace.tensors() == whole.tensors())
      #expect(try trace.losses() == whole.losses())
      // With nothing but damaged checkpoints it does not begin anew in silence.
      for name in try trace.checkpointNames() {
        try Data("damaged".utf8).write(
          to: URL(fileURLWithPath: trace.path + "/checkpoints/" + name))
      }
      let run = try ProgramRun.unetDist(
        ranks: ranks, ["train", "--output", trace.path, "--resume-or-start"])
      run.expectOneError(naming: ["checkpoints", "damaged ones only"])
    }
  }

  /// A disk that cannot read the newest one, however often it is asked.
  @Test func takesTheCheckpointBeforeOneThatCannotBeRead() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = Self.options + ["--checkpoint-every", "2", "--keep", "9"]
      let whole = try TrainingRunTests.train(folder, into: "whole", options + ["--steps", "8"])
      let trace = try TrainingRunTests.train(folder, options + ["--steps", "6"])
      let fault = Fault(kind: "unreadable", moment: "start", step: 0)
      var environment = try fault.environment(trace: folder + "/trace")
      environment["UNET_DIST_FAULT_FILE"] = "step-00000006.safetensors"
      let run = try ProgramRun.unetDist(
        ranks: 1, ["train", "--resume", "--output", trace.path, "--steps", "8"],
        environment: environment)
      #expect(run.succeeded, "\(run)")
      #expect(run.standardError.contains("step-00000006.safetensors.damaged"), "\(run)")
      #expect(run.standardError.contains("continuing after step 4"), "\(run)")
      #expect(try trace.tensors() == whole.tensors())
    }
  }

  @Test func aRunKilledBeforeItsFirstCheckpointStartsAgain() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = Self.options + ["--checkpoint-every", "0", "--evaluate-every", "0"]
      let trace = RunTrace(path: folder + "/run")
      let arguments = TinyTraining.arguments(
        data: folder + "/data", output: trace.path, options + ["--step-state", "off"])
      let killed = try ProgramRun.unetDist(ranks: 1, arguments + ["--steps", "1000000"]) {
        if trace.lineCount > 3 { kill($0, SIGKILL) }
      }
      #expect(killed.exitStatus == 128 + SIGKILL, "\(killed)")
      let again = try ProgramRun.unetDist(ranks: 1, arguments + ["--steps", "4"])
      #expect(again.succeeded, "\(again)")
      #expect(again.standardError.contains("a run that had saved nothing begins again"))
      #expect(try trace.steps().map { $0["step"] as? Int } == [1, 2, 3, 4])
    }
  }

  @Test func warnsWhereTheArithmeticIsAnother() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let run = try TrainingRunTests.train(folder, Self.options + ["--steps", "3"])
      let path = run.path + "/checkpoints/step-00000003.safetensors"
      let file = try SafetensorsFile.read(path, requireChecksum: true)
      var metadata = file.metadata
      let own = try #require(metadata["arithmetic"])
      #expect(own.count == 16)
      metadata["arithmetic"] = "0123456789abcdef"
      metadata["checksum"] = nil
      let tensors = try file.names.map { name in
        let values = try file.floats(of: name)
        let copy = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
        _ = copy.initialize(from: values)
        return (name: name, shape: try #require(file.shape(of: name)), values: copy)
      }
      defer { for tensor in tensors { tensor.values.deallocate() } }
      try SafetensorsFile.write(
        tensors.map {
          .init(name: $0.name, shape: $0.shape, values: UnsafeBufferPointer($0.values))
        }, metadata: metadata, to: path)
      let resumed = try ProgramRun.unetDist(
        ranks: 1, ["train", "--resume", "--output", run.path, "--steps", "4"])
      #expect(resumed.succeeded, "\(resumed)")
      #expect(resumed.standardError.contains("arithmetic 0123456789abcdef, here \(own)"))
    }
  }

  @Test func aFinishedRunHasNothingLeftToDo() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let run = try TrainingRunTests.train(folder, Self.options + ["--steps", "3"])
      let tensors = try run.tensors()
      try TrainingRunTests.train(folder, Self.options + ["--steps", "3", "--resume"])
      #expect(try run.tensors() == tensors)
      #expect(try run.steps().count == 3)
    }
  }

  @Test(arguments: [1, 2])
  func survivesBeingKilled(ranks: Int) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = Self.options + ["--checkpoint-every", "5", "--step-state", "off"]
      try train(folder, options + ["--steps", "1000000"], ranks: ranks)

      let killed = RunTrace(path: folder + "/killed")
      let newest = try #require(try killed.checkpointNames().last { $0.hasSuffix(".safetensors") })
      let reached = try #require(Int(newest.dropFirst("step-".count).prefix(8)))
      let length = ["--steps", "\(reached + 7)"]
      try TrainingRunTests.train(
        folder, into: "killed", ranks: ranks, options + length + ["--resume"])
      let whole = try TrainingRunTests.train(
        folder, into: "whole", ranks: ranks, options + length)
      #expect(try killed.tensors() == whole.tensors())
      #expect(try killed.losses() == whole.losses())
    }
  }

  /// Trains into `killed`, and kills the last rank when the first checkpoint is there.
  private func train(_ folder: String, _ options: [String], ranks: Int) throws {
    let program = try ProgramRun.builtProgram(named: "unet-dist").path
    let script = URL(fileURLWithPath: folder + "/killing.sh")
    let arguments = TinyTraining.arguments(
      data: folder + "/data", output: folder + "/killed", options)
    let command = ([program] + arguments).map { "'\($0)'" }.joined(separator: " ")
    let text = """
      #!/bin/sh
      if [ "${\(MPILauncher.rankVariable):-\(ranks - 1)}" != \(ranks - 1) ]; then exec \(command); fi
      \(command) &
      process=$!
      until [ -e '\(folder)/killed/latest.safetensors' ]; do sleep 0.01; done
      kill -KILL $process
      wait $process
      exit 7
      """
    let run = try ProgramRun.run(script: text, at: script, ranks: ranks, timeLimit: 30)
    #expect(run.exitStatus == 7 && !run.timedOut, "\(run)")
  }
}
