// Runs that are killed, and lose no step while their host lives.

import Files
import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct StepStateTests {
  /// No checkpoint before the end, so that all is lost that is not kept in memory.
  private static let options = [
    "--optimizer", "adam", "--learning-rate", "0.001", "--global-batch", "3", "--evaluate-every",
    "7", "--validation-fraction", "0.25", "--checkpoint-every", "0", "--keep", "2", "--ema", "0.9",
  ]

  /// Runs `arguments` until a step more was told of, and a little longer; then kills a process of the job.
  ///
  /// - Returns: nil where it was faster.
  private static func kill(
    _ arguments: [String], ranks: Int, trace: RunTrace, when isReady: () -> Bool = { true }
  ) throws -> ProgramRun? {
    let before = trace.lineCount
    var due: Date?
    let run = try ProgramRun.unetDist(ranks: ranks, arguments, timeLimit: 90) { process in
      if let moment = due {
        guard moment < Date() else { return }
        let all = [process] + ProgramRun.ranks(of: process).values
        _ = Foundation.kill(all.randomElement() ?? process, SIGKILL)
        due = .distantFuture
      } else if trace.lineCount > before + 1 && isReady() {
        due = Date(timeIntervalSinceNow: .random(in: 0...0.15))
      }
    }
    #expect(!run.timedOut, "\(run)")
    return run.exitStatus == 0 ? nil : run
  }

  /// Where ranks outlive their launcher for a moment, the next start waits for them here.
  private static func waitForTheLock(_ trace: RunTrace) {
    for _ in 0..<200 {
      let file = open(trace.path + "/.lock", O_RDWR)
      defer { close(file) }
      if flock(file, LOCK_EX | LOCK_NB) == 0 { return }
      usleep(50_000)
    }
  }

  @Test(arguments: [
    [(1, [])], [(2, [])], [(3, ["--shard-optimizer"])],
    [(3, []), (1, []), (2, ["--shard-optimizer"]), (4, [])] as [(Int, [String])],
  ])
  func killedAnywhereLosesNoStep(_ starts: [(ranks: Int, options: [String])]) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      // Of their own, since other tests' runs keep theirs in the usual one.
      let states = folder + "/states"
      try Folder.make(states)
      let options = Self.options + ["--steps", "400", "--step-state", states]
      let whole = try TrainingRunTests.train(folder, into: "whole", options)
      #expect(try Folder.names(in: states).isEmpty, "a run that has ended leaves nothing")

      let trace = RunTrace(path: folder + "/killed")
      let arguments = TinyTraining.arguments(
        data: folder + "/data", output: trace.path, options + ["--resume-or-start"])
      var (kills, last) = (0, 0)
      for round in 0..<8 {
        let start = starts[round % starts.count]
        let killed = try Self.kill(arguments + start.options, ranks: start.ranks, trace: trace)
        Self.waitForTheLock(trace)
        guard let killed else { break }
        kills += 1
        if round > 0 {
          // What was told of is not made again.
          let first = killed.standardError.split(separator: "\n").first {
            $0.hasPrefix("continuing after step ")
          }
          let step = first.flatMap { Int($0.split(separator: " ")[3].filter(\.isNumber)) }
          #expect(try #require(step) >= last, "\(killed)")
          #expect(first?.hasSuffix("kept in \(states)") == true, "\(killed)")
        }
        last = try #require(trace.steps().last?["step"] as? Int)
      }
      #expect(kills > 2)
      let end = try ProgramRun.unetDist(ranks: starts[0].ranks, arguments + starts[0].options)
      #expect(end.succeeded, "\(end)")
      try SameBitsTests.expectSame(trace, whole, "\(starts)")
      #expect(try trace.steps().compactMap { $0["step"] as? Int } == Array(1...400))
      #expect(
        try FileManager.default.destinationOfSymbolicLink(atPath: trace.path + "/best.safetensors")
          == FileManager.default.destinationOfSymbolicLink(
            atPath: whole.path + "/best.safetensors"))
      #expect(try Folder.names(in: states).isEmpty)
      #expect(!FileManager.default.fileExists(atPath: trace.path + "/.step-state"))
    }
  }

  /// A run of 1,000,000 steps that was killed after a few, and its folder of states.
  private static func killed(
    _ folder: String, _ more: [String] = [], when isReady: (RunTrace) -> Bool = { _ in true }
  ) throws -> (trace: RunTrace, states: String, step: Int) {
    try TinyImages.squares(folder + "/data")
    let trace = RunTrace(path: folder + "/run")
    let states = folder + "/states"
    try Folder.make(states)
    let arguments = TinyTraining.arguments(
      data: folder + "/data", output: trace.path,
      options + ["--steps", "1000000", "--step-state", states] + more)
    _ = try #require(try kill(arguments, ranks: 1, trace: trace) { isReady(trace) })
    return (trace, states, try #require(trace.steps().last?["step"] as? Int))
  }

  /// Whether a run has put its first checkpoint in place, which it writes beside its steps.
  private static func hasCheckpoint(_ trace: RunTrace) -> Bool {
    FileManager.default.fileExists(atPath: trace.path + "/latest.safetensors")
  }

  private static func resume(_ trace: RunTrace, steps: Int, _ more: [String] = []) throws
    -> ProgramRun
  {
    try ProgramRun.unetDist(
      ranks: 1, ["train", "--resume", "--output", trace.path, "--steps", "\(steps)"] + more)
  }

  @Test func theCheckpointIsTakenWhereTheStateIsGone() throws {
    try withTemporaryFolder { folder in
      let (trace, states, step) = try Self.killed(
        folder, ["--checkpoint-every", "2"], when: Self.hasCheckpoint)
      for name in try Folder.names(in: states) { unlink("\(states)/\(name)") }
      let run = try Self.resume(trace, steps: step + 3)
      #expect(run.succeeded, "\(run)")
      #expect(run.standardError.contains("is not on these hosts any more"), "\(run)")
      #expect(!run.standardError.contains("kept in"), "\(run)")
      let whole = try TrainingRunTests.train(
        folder, into: "whole", Self.options + ["--checkpoint-every", "2", "--steps", "\(step + 3)"])
      try SameBitsTests.expectSame(trace, whole, "from the disk")
    }
  }

  @Test func aDamagedStateIsNotTaken() throws {
    try withTemporaryFolder { folder in
      // No evaluation either, whose best would have been saved.
      let (trace, states, step) = try Self.killed(folder, ["--evaluate-every", "0"])
      let path = try "\(states)/\(#require(try Folder.names(in: states).first))"
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      // All slots are in this half. Zeros are what was never written; of all else a bit flips.
      for index in bytes.count / 2..<bytes.count where bytes[index] != 0 { bytes[index] ^= 4 }
      try bytes.write(to: URL(fileURLWithPath: path))
      chmod(path, 0o600)
      let run = try Self.resume(trace, steps: step + 3)
      run.expectOneError(naming: ["checkpoints", "none"])
      // The same command for every start begins again.
      let again = try ProgramRun.unetDist(
        ranks: 1,
        TinyTraining.arguments(
          data: folder + "/data", output: trace.path,
          Self.options + ["--steps", "4", "--resume-or-start", "--step-state", states]))
      #expect(again.succeeded && again.standardError.contains("begins again"), "\(again)")
      #expect(try Folder.names(in: states).isEmpty)
    }
  }

  @Test func aCopyOfTheFolderHasNoPartInIt() throws {
    try withTemporaryFolder { folder in
      let (trace, states, step) = try Self.killed(
        folder, ["--checkpoint-every", "2"], when: Self.hasCheckpoint)
      let copy = RunTrace(path: folder + "/copy")
      try FileManager.default.copyItem(atPath: trace.path, toPath: copy.path)
      let run = try Self.resume(copy, steps: step + 2, ["--step-state", "off"])
      #expect(run.succeeded && !run.standardError.contains("kept in"), "\(run)")
      #expect(run.standardError.contains("is not on these hosts any more"), "\(run)")
      #expect(try !Folder.names(in: states).isEmpty)
      let own = try Self.resume(trace, steps: step + 2)
      #expect(own.succeeded && own.standardError.contains("kept in"), "\(own)")
      try SameBitsTests.expectSame(copy, trace, "the copy")
      #expect(try Folder.names(in: states).isEmpty)
    }
  }

  @Test func aFolderThatWasMovedHasItsStates() throws {
    try withTemporaryFolder { folder in
      let (trace, states, step) = try Self.killed(folder)
      let moved = RunTrace(path: folder + "/moved")
      try FileManager.default.moveItem(atPath: trace.path, toPath: moved.path)
      // Another run begins where it was, and leaves them alone.
      let other = try ProgramRun.unetDist(
        ranks: 1,
        TinyTraining.arguments(
          data: folder + "/data", output: trace.path,
          Self.options + ["--steps", "2", "--step-state", states]))
      #expect(other.succeeded, "\(other)")
      let run = try Self.resume(moved, steps: step + 2)
      #expect(run.succeeded && run.standardError.contains("kept in \(states)"), "\(run)")
      #expect(try moved.steps().compactMap { $0["step"] as? Int } == Array(1...step + 2))
      #expect(try Folder.names(in: states).isEmpty)
    }
  }

  /// A run that is in memory alone is not begun again by the same command.
  @Test func theSameCommandLosesNoStep() throws {
    try withTemporaryFolder { folder in
      // An evaluation saves the best, and then the run is not in memory alone.
      let unscored = ["--evaluate-every", "0"]
      let (trace, states, step) = try Self.killed(folder, unscored)
      let command = TinyTraining.arguments(
        data: folder + "/data", output: trace.path,
        Self.options + unscored + ["--steps", "\(step + 2)", "--step-state", states])
      let refused = try ProgramRun.unetDist(ranks: 1, command)
      refused.expectOneError(naming: [".step-state", "--resume-or-start"])
      let run = try ProgramRun.unetDist(ranks: 1, command + ["--resume-or-start"])
      #expect(run.succeeded && run.standardError.contains("kept in \(states)"), "\(run)")
      #expect(try trace.steps().compactMap { $0["step"] as? Int } == Array(1...step + 2))
    }
  }

  @Test func aDamagedMarkIsToldOf() throws {
    try withTemporaryFolder { folder in
      let (trace, _, step) = try Self.killed(folder, ["--checkpoint-every", "2"]) {
        FileManager.default.fileExists(atPath: $0.path + "/latest.safetensors")
      }
      try Data().write(to: URL(fileURLWithPath: trace.path + "/.step-state"))
      let run = try Self.resume(trace, steps: step + 2)
      #expect(run.succeeded && !run.standardError.contains("kept in"), "\(run)")
      #expect(run.standardError.contains("is not on these hosts any more"), "\(run)")
    }
  }

  /// The states of a course that was left are not gone on from, nor are its checkpoints.
  @Test func aCheckpointThatIsNamedIsGoneBackTo() throws {
    try withTemporaryFolder { folder in
      let (trace, states, step) = try Self.killed(
        folder, ["--checkpoint-every", "2", "--keep", "1000000"])
      let arguments = [
        "train", "--output", trace.path, "--resume",
        trace.path + "/checkpoints/step-00000002.safetensors", "--checkpoint-every", "1000000",
        "--evaluate-every", "1000000",
      ]
      let back = try #require(try Self.kill(arguments, ranks: 1, trace: trace))
      #expect(back.standardError.contains("continuing after step 2\n"), "\(back)")
      let last = try #require(trace.steps().last?["step"] as? Int)
      let run = try Self.resume(trace, steps: max(step, last) + 5)
      #expect(run.succeeded && run.standardError.contains("kept in \(states)"), "\(run)")
      let saved = run.standardError.split(separator: "\n").first { $0.hasPrefix("continuing") }
      #expect(saved.flatMap { Int($0.split(separator: " ")[3].filter(\.isNumber)) } ?? 0 >= last)
      #expect(try trace.steps().compactMap { $0["step"] as? Int } == Array(1...max(step, last) + 5))
    }
  }

  @Test func whereThereIsNoRoomItSaysSoAndGoesOn() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let arguments = TinyTraining.arguments(
        data: folder + "/data", output: folder + "/run",
        Self.options + ["--steps", "3", "--step-state", folder + "/nowhere"])
      for ranks in [1, 2] {
        let run = try ProgramRun.unetDist(
          ranks: ranks, arguments + (ranks == 2 ? ["--resume"] : []))
        #expect(run.succeeded, "\(run)")
        let lines = run.standardError.split(separator: "\n").filter {
          $0.hasPrefix("warning: no state is kept after each step")
        }
        #expect(lines.count == 1 && lines.first?.contains("nowhere") == true, "\(run)")
      }
    }
  }

  /// Shards that are on several hosts, as far as one host can show: they are gathered, and nobody waits for the disk.
  @Test func gatheredShardsAreSavedWhileTheRunGoesOn() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let trace = RunTrace(path: folder + "/run")
      let options = [
        "--optimizer", "adam", "--global-batch", "2", "--evaluate-every", "0", "--checkpoint-every",
        "20", "--steps", "60", "--shard-optimizer", "--step-state", "off",
      ]
      var wentOn = false
      let run = try ProgramRun.unetDist(
        ranks: 2, TinyTraining.arguments(data: folder + "/data", output: trace.path, options),
        environment: Fault(kind: "slowsync", moment: "save", step: 20).environment(
          trace: folder + "/trace"), timeLimit: 120
      ) { _ in
        let isSaved = FileManager.default.fileExists(atPath: trace.path + "/latest.safetensors")
        wentOn = wentOn || trace.lineCount > 23 && !isSaved
      }
      #expect(run.succeeded && wentOn, "\(run)")
      let whole = try TrainingRunTests.train(folder, into: "whole", ranks: 2, options)
      #expect(try trace.tensors() == whole.tensors())
    }
  }

  @Test func everyFewStepsKeepsThose() throws {
    try withTemporaryFolder { folder in
      let (trace, _, step) = try Self.killed(folder, ["--step-state-every", "3"])
      let run = try Self.resume(trace, steps: step + 4)
      #expect(run.succeeded && run.standardError.contains("kept in"), "\(run)")
      let line = run.standardError.split(separator: "\n").first { $0.hasPrefix("continuing") }
      let start = line.flatMap { Int($0.split(separator: " ")[3].filter(\.isNumber)) }
      #expect(start.map { $0 > step - 3 } == true, "\(run)")
      let whole = try TrainingRunTests.train(
        folder, into: "whole", Self.options + ["--steps", "\(step + 4)"])
      try SameBitsTests.expectSame(trace, whole, "every few steps")
    }
  }
}
