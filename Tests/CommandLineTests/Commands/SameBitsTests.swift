// The same run by any number of ranks and threads: the same bits.

import Files
import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct SameBitsTests {
  /// Ways to share out a batch of 24, with any threads, buckets, ways of exchange, and states kept or not.
  static let distributions: [(ranks: Int, options: [String])] = [
    (1, ["--threads", "2", "--bucket-kib", "16", "--shard-optimizer"]),
    (1, ["--threads", "3", "--overlap", "thread"]),
    (2, ["--threads", "3", "--bucket-kib", "16", "--overlap", "thread"]),
    (2, ["--threads", "1", "--bucket-kib", "16", "--shard-optimizer", "--overlap", "thread"]),
    (3, ["--threads", "2", "--overlap", "off", "--recompute", "2", "--step-state", "off"]),
    (3, ["--threads", "1", "--bucket-kib", "16", "--overlap", "thread"]),
    (4, ["--threads", "1", "--bucket-kib", "32", "--overlap", "poll"]),
    (5, ["--threads", "1", "--bucket-kib", "16", "--overlap", "poll", "--shard-optimizer"]),
    (6, ["--threads", "1", "--bucket-kib", "48", "--recompute", "1", "--step-state-every", "3"]),
    (8, ["--threads", "1", "--bucket-kib", "16", "--overlap", "thread"]),
  ]

  /// Two epochs of batches of 24 and of 10; images are turned, moved and dropped out of.
  static let length = [
    "--steps", "4", "--global-batch", "24", "--base-channels", "4", "--depth", "2", "--tile", "16",
    "--dropout", "0.5", "--augment",
    "flip,rotate90,rotate,shift,scale,elastic,brightness,contrast,gamma,saturation,noise,blur",
    "--validation-fraction", "0.1",
    "--evaluate-every", "2", "--check-replicas", "1",
  ]

  static let rules = [
    [
      "--optimizer", "sgd", "--clip-norm", "0.05", "--weight-decay", "0.001", "--normalization",
      "batch",
    ],
    ["--optimizer", "sgd", "--momentum", "0.9", "--upsampling", "transposed"],
    [
      "--optimizer", "adam", "--learning-rate", "0.01", "--class-weights", "balanced",
      "--normalization", "group", "--intensities", "set",
    ],
    [
      "--optimizer", "sgd", "--momentum", "0.9", "--nesterov", "true", "--ema", "0.5", "--loss",
      "cross-entropy+dice", "--weight-map", "unet", "--foreground-tiles", "0.5", "--ignore", "99",
      "--instance-borders", "true", "--intensities", "percentiles=2:97", "--no-data", "62",
    ],
    [
      "--optimizer", "adamw", "--learning-rate", "0.01", "--clip-norm", "0.1", "--normalization",
      "instance",
    ],
  ]

  @Test(arguments: rules + [divided]) func forAnyRanksThreadsAndBuckets(_ rule: [String]) throws {
    try withTemporaryFolder { folder in
      try Self.images(folder, withUnlabelled: rule.contains("--ignore"))
      let options = Self.length + rule
      let alone = try TrainingRunTests.train(
        folder, into: "alone", options + ["--threads", "1"])
      for (index, distribution) in Self.distributions.enumerated() {
        let other = try TrainingRunTests.train(
          folder, into: "other-\(index)", ranks: distribution.ranks, options + distribution.options)
        try Self.expectSame(other, alone, "\(distribution)")
      }
    }
  }

  static let divided = [
    "--optimizer", "adam", "--learning-rate", "0.01", "--folds", "3", "--fold", "2",
    "--validation-fraction", "0",
  ]

  /// Eight ranks, then three, then one, then four.
  @Test func forARunThatChangesItsRanks() throws {
    try withTemporaryFolder { folder in
      try Self.images(folder, withUnlabelled: true)
      let options =
        Self.length + [
          "--optimizer", "adam", "--learning-rate", "0.01", "--threads", "1", "--ema", "0.9",
          "--normalization", "batch", "--foreground-tiles", "0.5", "--ignore", "99",
          "--instance-borders", "true", "--weight-map", "unet", "--intensities", "set",
          "--no-data", "62",
        ]
      let whole = try TrainingRunTests.train(
        folder, into: "whole", options + ["--steps", "8"])
      try TrainingRunTests.train(
        folder, into: "parts", ranks: 8, options + ["--steps", "2"])
      let others = [
        (3, 4, ["--shard-optimizer"]), (1, 6, ["--recompute", "2"]),
        (4, 8, ["--overlap", "thread"]),
      ]
      for (ranks, steps, distribution) in others {
        let run = try ProgramRun.unetDist(
          ranks: ranks,
          ["train", "--resume", "--output", folder + "/parts", "--steps", "\(steps)"]
            + distribution)
        #expect(run.succeeded, "\(run)")
        #expect(run.standardError.contains("continuing after step \(steps - 2)"), "\(run)")
        #expect(!run.standardError.contains("warning: the checkpoint"), "\(run)")
      }
      try Self.expectSame(RunTrace(path: folder + "/parts"), whole, "8, 3, 1 and 4 ranks")
    }
  }

  /// Rounded at every node, gradients are the same bits for any number of ranks too, of half the
  /// bytes, and lead close to where exact ones do.
  @Test func withCompression() throws {
    try withTemporaryFolder { folder in
      try Self.images(folder)
      let options = Self.length + ["--optimizer", "adam", "--learning-rate", "0.01"]
      let exact = try TrainingRunTests.train(folder, into: "exact", ranks: 2, options)
      let alone = try TrainingRunTests.train(
        folder, into: "alone", options + ["--compression", "bf16", "--threads", "1"])
      for (index, distribution) in Self.distributions.enumerated() where distribution.ranks > 1 {
        let other = try TrainingRunTests.train(
          folder, into: "other-\(index)", ranks: distribution.ranks,
          options + distribution.options + ["--compression", "bf16"])
        try Self.expectSame(other, alone, "\(distribution)")
        if index == 2 {
          let (bytes, exactBytes) = try (Self.sentBytes(other), Self.sentBytes(exact))
          #expect(abs(bytes / exactBytes - 0.5) < 0.01, "\(bytes), \(exactBytes)")
        }
      }
      let isRounded = try alone.tensors() != exact.tensors()
      #expect(isRounded)
      for (loss, expected) in zip(try alone.losses(), try exact.losses()) {
        #expect(abs(loss - expected) < 0.02 * expected, "\(loss), \(expected)")
      }
    }
  }

  private static func sentBytes(_ run: RunTrace) throws -> Double {
    Double(try #require(try run.steps()[0]["sent_bytes"] as? Int))
  }

  @Test func accumulatedSamplesAreABatch() throws {
    try withTemporaryFolder { folder in
      try Self.images(folder)
      let options = ["--steps", "2", "--threads", "1"]
      let batch = try TrainingRunTests.train(
        folder, into: "batch", options + ["--global-batch", "6"])
      let accumulated = try TrainingRunTests.train(
        folder, into: "accumulated", ranks: 2, options + ["--accumulate", "3"])
      try Self.expectSame(accumulated, batch, "3 samples of 2 ranks")
    }
  }

  /// Without the tree the results are close, and need not be the same.
  @Test func theFastSumIsClose() throws {
    try withTemporaryFolder { folder in
      try Self.images(folder)
      let options = Self.length + ["--reduction", "fast", "--threads", "1"]
      let alone = try TrainingRunTests.train(folder, into: "alone", options).losses()
      for ranks in [2, 3] {
        let losses = try TrainingRunTests.train(
          folder, into: "\(ranks)", ranks: ranks, options
        ).losses()
        #expect(losses.count == alone.count)
        for (loss, expected) in zip(losses, alone) {
          #expect(abs(loss - expected) < 1e-5 * expected, "\(ranks): \(losses), \(alone)")
        }
      }
    }
  }

  /// With fewer samples than ranks, those without one add nothing to the library's sum.
  @Test func aRankWithoutSamplesAddsNothingToTheFastSum() throws {
    try withTemporaryFolder { folder in
      try Self.images(folder)
      let options = ["--steps", "3", "--global-batch", "1", "--reduction", "fast"]
      func norms(_ trace: RunTrace) throws -> [Double] {
        try trace.steps().map { try #require($0["gradient_norm"] as? Double) }
      }
      let alone = try norms(TrainingRunTests.train(folder, into: "alone", options))
      let two = try norms(TrainingRunTests.train(folder, into: "two", ranks: 2, options))
      expectClose(two, alone, .direct, "norms on two ranks")
    }
  }

  /// With a value of no class, 99, in one of the masks where it is to be ignored.
  private static func images(_ folder: String, withUnlabelled: Bool = false) throws {
    // 34 images of about one tile are left for training, of which each is drawn twice an epoch.
    try TinyImages.squares(folder + "/data", count: 19)
    try TinyImages.halves(folder + "/data", count: 19)
    guard withUnlabelled else { return }
    try TinyImages.png(folder + "/data/masks/cell-3.png", width: 24, height: 24) { x, y, _ in
      x < 5 ? 99 : y < 12 ? 255 : 0
    }
  }

  /// Expects the same weights, optimiser state, losses, norms and scores.
  static func expectSame(
    _ run: RunTrace, _ expected: RunTrace, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let (tensors, others) = try (run.tensors(), expected.tensors())
    #expect(
      tensors.keys.sorted() == others.keys.sorted(), "\(what)", sourceLocation: sourceLocation)
    let different = others.keys.filter { tensors[$0] != others[$0] }.sorted()
    #expect(different.isEmpty, "\(what)", sourceLocation: sourceLocation)
    #expect(try run.losses() == expected.losses(), "\(what)", sourceLocation: sourceLocation)
    func norms(_ trace: RunTrace) throws -> [Double] {
      try trace.steps().map { try #require($0["gradient_norm"] as? Double) }
    }
    #expect(try norms(run) == norms(expected), "\(what)", sourceLocation: sourceLocation)
    func scores(_ trace: RunTrace) throws -> [String] {
      try trace.log().filter { $0["event"] as? String == "evaluation" }.map {
        let scores: [Any] = [try #require($0["scores"]), try #require($0["threshold"])]
        let text = try JSONSerialization.data(withJSONObject: scores, options: .sortedKeys)
        return String(decoding: text, as: UTF8.self)
      }
    }
    #expect(try scores(run) == scores(expected), "\(what)", sourceLocation: sourceLocation)
    func kept(_ trace: RunTrace) throws -> [String?] {
      let file = try SafetensorsFile.read(
        trace.path + "/latest.safetensors", requireChecksum: true)
      return ["threshold", "division_digest"].map { file.metadata[$0] }
        + [try String(contentsOfFile: trace.path + "/split.json", encoding: .utf8)]
    }
    #expect(try kept(run) == kept(expected), "\(what)", sourceLocation: sourceLocation)
  }
}
