// Whole runs of `train`, by one process and by several ranks: what they learn and what they leave.

import Foundation
import TestSupport
import Testing

@Suite struct TrainingRunTests {
  /// Trains on `data` in the folder into `run` there, and expects success.
  @discardableResult
  static func train(
    _ folder: String, into run: String = "run", ranks: Int = 1, _ options: [String],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> RunTrace {
    let arguments = TinyTraining.arguments(
      data: folder + "/data", output: "\(folder)/\(run)", options)
    let result = try ProgramRun.unetDist(ranks: ranks, arguments)
    #expect(result.succeeded, "\(result)", sourceLocation: sourceLocation)
    #expect(result.standardOutput.isEmpty, "\(result)", sourceLocation: sourceLocation)
    return RunTrace(path: "\(folder)/\(run)")
  }

  // MARK: What is there afterwards

  @Test(arguments: [1, 2, 3])
  func learnsAndLeavesItsFiles(ranks: Int) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let steps = 40
      let trace = try Self.train(
        folder, ranks: ranks,
        [
          "--steps", "\(steps)", "--global-batch", "3", "--optimizer", "adam", "--learning-rate",
          "0.01", "--evaluate-every", "20", "--checkpoint-every", "30",
        ])

      let modes = [
        "": 0o777, "config.yaml": 0o666, "log.jsonl": 0o666, "evaluation.json": 0o666,
        "progress.png": 0o666,
        "checkpoints": 0o777, "checkpoints/step-00000040.safetensors": 0o666,
        "checkpoints/step-00000030.safetensors": 0o666,
      ]
      for (name, mode) in modes {
        let path = trace.path + "/" + name
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(try attributes[.posixPermissions] as? Int == created(mode), "\(name)")
      }
      #expect(
        try FileManager.default.destinationOfSymbolicLink(
          atPath: trace.path + "/latest.safetensors") == "checkpoints/step-00000040.safetensors")
      let best = try FileManager.default.destinationOfSymbolicLink(
        atPath: trace.path + "/best.safetensors")
      #expect(best.hasPrefix("checkpoints/step-000000"), "\(best)")

      let log = try trace.log()
      #expect(log.first?["event"] as? String == "start")
      let evaluations = log.filter { $0["event"] as? String == "evaluation" }
      #expect(evaluations.map { $0["step"] as? Int } == [20, 40])
      #expect(try trace.steps().map { $0["step"] as? Int } == Array(1...steps))
      for line in try trace.steps() {
        let ofSeveralRanks = ["rank_seconds", "sent_bytes", "slowest_rank", "slowest_rank_work"]
        #expect(
          Set(line.keys)
            == Set(
              [
                "epoch", "gradient_norm", "images_per_second", "learning_rate", "loss", "seconds",
                "step",
              ] + (ranks > 1 ? ofSeveralRanks : [])))
        if ranks > 1 { try Self.checkRankSeconds(line, ranks: ranks) }
        let seconds = try #require(line["seconds"] as? [String: Double])
        #expect(seconds.keys.sorted() == ["backward", "forward", "load", "reduce", "update"])
        #expect(seconds.values.allSatisfy { $0 >= 0 && $0 < 60 })
        #expect(line["learning_rate"] as? Double == 0.01)
        #expect((line["images_per_second"] as? Double ?? 0) > 0)
        #expect((line["gradient_norm"] as? Double ?? 0) > 0)
      }

      let losses = try trace.losses()
      let (start, end) = (losses.prefix(5).reduce(0, +), losses.suffix(5).reduce(0, +))
      #expect(end < 0.6 * start, "\(losses)")

      let summary = try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(fileURLWithPath: trace.path + "/evaluation.json")))
      let scores = try #require((summary as? [String: Any])?["scores"] as? [String: Any])
      #expect((scores["pixel_accuracy"] as? Double ?? 0) > 0.85, "\(scores)")
      #expect((scores["classes"] as? [Any])?.count == 2)
    }
  }

  /// Every part of a step of every rank, and the rank with most work of its own.
  static func checkRankSeconds(_ line: [String: Any], ranks: Int) throws {
    let parts = try #require(line["rank_seconds"] as? [String: [Double]])
    #expect(parts.keys.sorted() == ["backward", "forward", "load", "reduce", "update"])
    #expect(parts.values.allSatisfy { $0.count == ranks && $0.allSatisfy { $0 >= 0 } }, "\(parts)")
    let work = (0..<ranks).map { rank in
      ["load", "forward", "backward", "update"].reduce(0) { $0 + (parts[$1]?[rank] ?? -1) }
    }
    let slowest = try #require(line["slowest_rank"] as? Int)
    let most = try #require(line["slowest_rank_work"] as? Double)
    #expect(abs(work[slowest] - most) < 1e-9 && work.allSatisfy { $0 <= most + 1e-9 }, "\(line)")
    #expect((line["sent_bytes"] as? Int ?? 0) > 0)
  }

  /// Each rank sends (1 + s) n (p - 1) / p bytes of gradients; the losses are a few more.
  @Test(arguments: [(2, 1), (4, 1), (3, 2)]) func sendsTheBytesOfTheFormula(ranks: Int, sums: Int)
    throws
  {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      // Three ranks have two nodes each of a tree over six places.
      let trace = try Self.train(
        folder, ranks: ranks,
        [
          "--steps", "1", "--global-batch", ranks == 3 ? "6" : "4", "--validation-fraction", "0",
          "--base-channels", "16",
        ])
      let parameters = try trace.tensors().filter { !$0.key.hasPrefix("optimizer.") }
        .reduce(0) { $0 + $1.value.count }
      let bytes = Double((1 + sums) * 4 * parameters * (ranks - 1)) / Double(ranks)
      let sent = try #require(try trace.steps()[0]["sent_bytes"] as? Int)
      #expect(abs(Double(sent) - bytes) < 0.01 * bytes, "\(sent), \(bytes)")
    }
  }

  @Test(arguments: [[], ["--shard-optimizer"], ["--overlap", "poll"]])
  func writesATimelineOfAllRanks(_ options: [String]) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let path = folder + "/trace.json"
      try Self.train(
        folder, ranks: 2, ["--steps", "3", "--global-batch", "2", "--timeline", path] + options)
      let object = try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(fileURLWithPath: path)))
      let events = try #require((object as? [String: Any])?["traceEvents"] as? [[String: Any]])
      for rank in 0..<2 {
        let own = events.filter { $0["pid"] as? Int == rank }
        let names = own.filter { $0["ph"] as? String == "M" }
          .compactMap { ($0["args"] as? [String: Any])?["name"] as? String }
        #expect(
          names.contains { $0.hasPrefix("rank \(rank) on ") } && names.contains("computation"))
        #expect(names.contains("communication 1"))
        let spans = own.filter { $0["ph"] as? String == "X" }
        for name in ["load", "forward", "backward", "exchange and update", "sum bucket 0"] {
          let steps = spans.filter { $0["name"] as? String == name }
            .compactMap { ($0["args"] as? [String: Any])?["step"] as? Int }
          #expect(Set(steps) == [1, 2, 3], "\(name) of rank \(rank): \(steps)")
        }
        // One thing at a time in each lane.
        for lane in 0..<9 {
          let times = spans.filter { $0["tid"] as? Int == lane }.compactMap { span in
            (span["ts"] as? Double).flatMap { start in
              (span["dur"] as? Double).map { (start, start + $0) }
            }
          }.sorted { $0.0 < $1.0 }
          #expect(zip(times, times.dropFirst()).allSatisfy { $0.1 <= $1.0 + 0.01 }, "lane \(lane)")
        }
      }
    }
  }

  @Test func aTimelineThatCannotBeWrittenIsAnErrorAtTheStart() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let run = try ProgramRun.unetDist(
        ranks: 2,
        TinyTraining.arguments(
          data: folder + "/data", output: folder + "/run",
          ["--steps", "3", "--timeline", folder + "/nowhere/trace.json"]))
      run.expectOneError(naming: [folder + "/nowhere/trace.json"])
      #expect(try RunTrace(path: folder + "/run").steps().isEmpty)
    }
  }

  @Test func keepsTheNewestCheckpointsAndTheBest() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = ["--steps", "9", "--checkpoint-every", "2", "--keep", "2"]
      let plain = try Self.train(folder, into: "plain", options + ["--validation-fraction", "0"])
      #expect(
        try plain.checkpointNames() == ["step-00000008.safetensors", "step-00000009.safetensors"])
      #expect(!FileManager.default.fileExists(atPath: plain.path + "/best.safetensors"))
      #expect(!FileManager.default.fileExists(atPath: plain.path + "/evaluation.json"))

      let scored = try Self.train(folder, into: "scored", options + ["--evaluate-every", "1"])
      let best = try FileManager.default.destinationOfSymbolicLink(
        atPath: scored.path + "/best.safetensors")
      let newest = ["step-00000008.safetensors", "step-00000009.safetensors"]
      let expected = Set(newest + [String(best.dropFirst("checkpoints/".count))])
      #expect(Set(try scored.checkpointNames()).isSubset(of: expected))
      #expect(try scored.checkpointNames().count == expected.count)
    }
  }

  // MARK: Length, start and options

  @Test func anEpochIsEveryTileOnce() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      // 24 x 24 pixels are two tiles of 16 x 16, so four images are batches of 3, 3 and 2.
      let trace = try Self.train(
        folder, ranks: 2,
        ["--epochs", "2", "--global-batch", "3", "--validation-fraction", "0"])
      #expect(try trace.steps().map { $0["epoch"] as? Int } == [0, 0, 0, 1, 1, 1])
    }
  }

  @Test func fewerSamplesThanRanks() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", count: 2)
      let options = ["--steps", "3", "--global-batch", "1"]
      let several = try Self.train(folder, into: "several", ranks: 3, options)
      let alone = try Self.train(folder, into: "alone", options)
      // One sample a step leaves nothing to sum.
      #expect(try several.tensors() == alone.tensors())
      #expect(try several.losses() == alone.losses())
    }
  }

  @Test func threadsDoNotChangeOneBit() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", side: 40)
      let runs = try [1, 2, 3].map { threads in
        try Self.train(
          folder, into: "threads-\(threads)",
          [
            "--steps", "4", "--global-batch", "2", "--base-channels", "8", "--depth", "2",
            "--tile", "32", "--threads", "\(threads)",
          ])
      }
      let tensors = try runs[0].tensors()
      #expect(tensors.keys.contains("optimizer.momentum.down.2.conv2.weight"))
      for run in runs {
        #expect(try run.tensors() == tensors, "\(run.path)")
        #expect(try run.losses() == runs[0].losses(), "\(run.path)")
      }
    }
  }

  @Test func theSeedDecidesEverything() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = ["--steps", "3", "--seed"]
      let first = try Self.train(folder, into: "first", options + ["7"])
      let again = try Self.train(folder, into: "again", options + ["7"])
      let other = try Self.train(folder, into: "other", options + ["8"])
      #expect(try first.tensors() == again.tensors())
      #expect(try first.tensors() != other.tensors())
    }
  }

  @Test func fineTuningStartsFromTheWeights() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      let trace = try Self.train(
        folder, ranks: 2,
        ["--load", checkpoint, "--steps", "1", "--learning-rate", "1e-30", "--seed", "99"])
      let tuned = try trace.tensors().filter { !$0.key.hasPrefix("optimizer.") }
      let loaded = try RunTrace(path: folder).tensors("trained.safetensors")
      #expect(tuned == loaded.filter { !$0.key.hasPrefix("optimizer.") })
      #expect(try trace.steps().map { $0["step"] as? Int } == [1])
      // The momentum starts anew.
      #expect(
        try trace.tensors()["optimizer.momentum.head.bias"]
          != loaded["optimizer.momentum.head.bias"])
    }
  }

  @Test func aFileOfOptionsUnderTheFlags() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let file = folder + "/options.yaml"
      let text = """
        data: \(folder)/data
        base-channels: 4
        depth: 1
        padding: zero
        tile: 16
        steps: 3
        seed: 3
        augment: [flip, shift]
        """
      try Data(text.utf8).write(to: URL(fileURLWithPath: file))
      let run = try ProgramRun.unetDist(
        "train", "--config", file, "--output", folder + "/run", "--seed", "5", "--threads", "1")
      #expect(run.succeeded, "\(run)")
      let written = try String(contentsOfFile: folder + "/run/config.yaml", encoding: .utf8)
      for line in ["seed: 5", "steps: 3", "augment: [shift=0.125, flip]", "classes: 2"] {
        #expect(written.contains("\n\(line)\n"), "\(line) in \(written)")
      }

      // What a run writes down trains the same again.
      let again = try ProgramRun.unetDist(
        "train", "--config", folder + "/run/config.yaml", "--output", folder + "/again")
      #expect(again.succeeded, "\(again)")
      #expect(
        try RunTrace(path: folder + "/again").tensors()
          == RunTrace(path: folder + "/run").tensors())
    }
  }

  // MARK: Kinds of runs

  @Test(arguments: [
    (
      1,
      [
        "--optimizer", "adam", "--schedule", "poly", "--warmup-steps", "2", "--padding", "mirror",
        "--upsampling", "transposed", "--class-weights", "balanced", "--augment", "none",
      ]
    ),
    (
      2,
      [
        "--optimizer", "adamw", "--schedule", "cosine", "--weight-decay", "0.01", "--padding",
        "valid", "--tile", "20", "--clip-norm", "0.5", "--augment", "flip", "--check-replicas", "1",
      ]
    ),
    (
      3,
      [
        "--optimizer", "sgd", "--momentum", "0.9", "--upsampling", "transposed", "--class-weights",
        "1,3", "--augment", "rotate,shift", "--dropout", "0", "--check-replicas", "2",
      ]
    ),
  ])
  func otherKinds(ranks: Int, options: [String]) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      try TinyImages.squares(folder + "/other", count: 2, side: 19)
      let trace = try Self.train(
        folder, ranks: ranks,
        ["--steps", "5", "--validation-data", folder + "/other"] + options)
      let losses = try trace.losses()
      #expect(losses.count == 5 && losses.allSatisfy { $0 > 0 && $0 < 10 }, "\(losses)")
      let evaluation = try #require(
        try trace.log().last { $0["event"] as? String == "evaluation" })
      let scores = try #require(evaluation["scores"] as? [String: Any])
      #expect(scores["pixels"] as? Int == 2 * 19 * 19)
    }
  }

  @Test func schedulesReachTheLog() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let trace = try Self.train(
        folder,
        [
          "--steps", "6", "--schedule", "cosine", "--warmup-steps", "2", "--learning-rate", "0.01",
        ])
      let rates = try trace.steps().map { try #require($0["learning_rate"] as? Double) }
      let expected = [0.005, 0.01, 0.01] + [0.25, 0.5, 0.75].map { 0.005 * (1 + cos(.pi * $0)) }
      for (rate, value) in zip(rates, expected) { #expect(abs(rate - value) < 1e-12, "\(rates)") }
    }
  }

  @Test func coloursAndSizesThatDiffer() throws {
    try withTemporaryFolder { folder in
      try TinyImages.colouredBars(
        folder + "/data", sizes: [(20, 12), (7, 9), (33, 21), (3, 1), (24, 24)])
      let trace = try Self.train(
        folder, ranks: 2,
        [
          "--steps", "40", "--optimizer", "adam", "--learning-rate", "0.01",
          "--validation-fraction", "0.2",
        ])
      let losses = try trace.losses()
      #expect(losses.suffix(5).reduce(0, +) < losses.prefix(5).reduce(0, +), "\(losses)")
      #expect(try trace.tensors()["down.0.conv1.weight"]?.count == 4 * 3 * 9)
      #expect(try trace.tensors()["head.bias"]?.count == 3)
    }
  }

  @Test func stacksOfPages() throws {
    try withTemporaryFolder { folder in
      let side = 24
      try TinyImages.tiff(folder + "/cells.tif", width: side, height: side, pageCount: 3) {
        x, y, page in TinyImages.isInSquare(x, y, page, side) ? 200 : 40 + (x * y) % 9
      }
      try TinyImages.tiff(folder + "/truth.tif", width: side, height: side, pageCount: 3) {
        x, y, page in TinyImages.isInSquare(x, y, page, side) ? 1 : 0
      }
      let stacks = ["--images", folder + "/cells.tif", "--masks", folder + "/truth.tif"]
      let run = try ProgramRun.unetDist(
        ranks: 2,
        ["train", "--output", folder + "/run", "--steps", "2"] + stacks + TinyTraining.network)
      #expect(run.succeeded, "\(run)")
      // Neighbouring slices are not divided unless it is asked for.
      #expect(run.standardError.contains("3 images to train on, 0 to validate on"), "\(run)")
      let scores = try ProgramRun.unetDist(
        ranks: 1,
        ["evaluate", "--checkpoint", folder + "/run/latest.safetensors", "--json"] + stacks)
      #expect(try scores.jsonObject()["pixels"] as? Int == 3 * side * side)
    }
  }

  /// The presets' rates and rules, and a network as deep as the paper's: the loss must not leave for
  /// infinity within a few steps.
  @Test(arguments: ["auto", "paper"]) func thePresetsTrain(_ preset: String) throws {
    try withTemporaryFolder { folder in
      let run = try ProgramRun.unetDist(
        ranks: 1,
        [
          "train", "--output", folder + "/run", "--preset", preset, "--base-channels", "16",
          "--tile", "316", "--steps", "40", "--seed", "1", "--evaluate-every", "0",
          "--validation-fraction", "0",
        ])
      #expect(run.succeeded, "\(run)")
      #expect(run.standardError.contains("chosen by --preset \(preset):"), "\(run)")
      let losses = try RunTrace(path: folder + "/run").losses()
      #expect(losses.count == 40)
      // A guess that knows nothing but that there are two classes costs ln 2 = 0.69, and with Dice
      // half of that more; borders weigh up to eleven times as much on the paper's map.
      let limit = preset == "paper" ? losses[0] : 1.2
      #expect(losses.suffix(10).allSatisfy { $0 < limit }, "\(losses)")
    }
  }

  @Test func withoutDataOnSyntheticCells() throws {
    try withTemporaryFolder { folder in
      let run = try ProgramRun.unetDist(
        ranks: 1, ["train", "--output", folder + "/run", "--steps", "1"] + TinyTraining.network)
      #expect(run.succeeded, "\(run)")
      #expect(run.standardError.contains("built-in synthetic cells"), "\(run)")
    }
  }

  // MARK: Ends

  /// A rate of next to nothing never betters the first score.
  @Test(arguments: [1, 2]) func patienceEndsARunAndItsResumption(ranks: Int) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let trace = try Self.train(
        folder, ranks: ranks,
        [
          "--steps", "50", "--global-batch", "2", "--learning-rate", "1e-12", "--evaluate-every",
          "2", "--patience", "3", "--checkpoint-every", "0",
        ])
      #expect(try trace.steps().count == 8)
      #expect(try trace.checkpointNames().last == "step-00000008.safetensors")
      let again = try ProgramRun.unetDist(
        ranks: ranks, ["train", "--resume", "--output", trace.path])
      #expect(again.succeeded, "\(again)")
      #expect(again.standardError.contains("ends after 8 of 50 steps"), "\(again)")
      #expect(try trace.steps().count == 8)
    }
  }

  /// It waits as long in another folder, where the best checkpoint is not.
  @Test func patienceGoesWithTheCheckpoint() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = [
        "--global-batch", "2", "--learning-rate", "1e-12", "--evaluate-every", "2", "--patience",
        "3",
        "--checkpoint-every", "4",
      ]
      let first = try Self.train(folder, options + ["--steps", "4"])
      let start = first.path + "/latest.safetensors"
      let second = try Self.train(
        folder, into: "other", options + ["--steps", "50", "--resume", start])
      #expect(try second.steps().map { $0["step"] as? Int } == [5, 6, 7, 8])
    }
  }

  /// What the measurement has chosen is a run of that many steps, bit by bit.
  @Test func minutesAreRecordedAsSteps() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = ["--global-batch", "2", "--optimizer", "adam", "--evaluate-every", "1000"]
      let timed = try Self.train(folder, into: "timed", ranks: 2, options + ["--minutes", "0.02"])
      let written = try String(contentsOfFile: timed.path + "/config.yaml", encoding: .utf8)
      let steps = try timed.steps().count
      #expect(steps >= 10 && written.contains("\nsteps: \(steps)\n"), "\(written)")
      #expect(!written.contains("\nminutes:"), "\(written)")
      let counted = try Self.train(
        folder, into: "counted", options + ["--steps", "\(steps)"])
      try SameBitsTests.expectSame(timed, counted, "\(steps) steps")
    }
  }
}
