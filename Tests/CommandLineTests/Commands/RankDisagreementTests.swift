// Ranks that were not given the same things, and losses that are no numbers.

import Foundation
import TestSupport
import Testing

@Suite struct RankDisagreementTests {
  /// Runs `train` on two ranks, the second one with other arguments.
  private func train(
    _ folder: String, _ first: [String], second: [String]
  ) throws -> ProgramRun {
    try ProgramRun.unetDist(
      folder, differing: [RankStart(arguments: first), RankStart(arguments: second)])
  }

  @Test func otherImages() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", count: 4)
      try TinyImages.squares(folder + "/more", count: 5)
      let run = try train(
        folder, TinyTraining.arguments(data: folder + "/data", output: folder + "/run"),
        second: TinyTraining.arguments(data: folder + "/more", output: folder + "/run"))
      run.expectOneError(naming: [
        "the data set listing on rank 1", "not the one on rank 0", "the same files",
      ])
    }
  }

  @Test func otherOptions() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = TinyTraining.arguments(data: folder + "/data", output: folder + "/run")
      let run = try train(
        folder, options + ["--learning-rate", "0.1"],
        second: options + ["--learning-rate", "0.2"])
      run.expectOneError(naming: ["the configuration on rank 1", "the same options"])
      #expect(!FileManager.default.fileExists(atPath: folder + "/run"))
    }
  }

  /// What decides which collective calls there are before the configurations are compared.
  @Test(arguments: [
    (["--minutes", "0.1"], "--minutes"), (["--resume"], "--resume"), (["--load", "x"], "--load"),
  ]) func otherStarts(_ options: [String], _ name: String) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let both = TinyTraining.arguments(data: folder + "/data", output: folder + "/run")
      let run = try train(folder, both, second: both + options)
      run.expectOneError(naming: ["the \(name) on rank 1", "not the one on rank 0"])
      #expect(!FileManager.default.fileExists(atPath: folder + "/run"))
    }
  }

  @Test func aMistakeOfOneRank() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = TinyTraining.arguments(data: folder + "/data", output: folder + "/run")
      let value = try train(folder, options, second: options + ["--seed", "x"])
      value.expectOneError(naming: ["rank 1: --seed", "\"x\""])
      let flag = try train(folder, options, second: options + ["--sed", "1"])
      flag.expectOneError(naming: ["rank 1:", "--sed"])
      let data = try train(
        folder, options,
        second: TinyTraining.arguments(data: folder + "/nothing", output: folder + "/run"))
      data.expectOneError(naming: ["rank 1:", folder + "/nothing"])
    }
  }
}

@Suite struct BrokenLossTests {
  @Test(arguments: [
    (1, []), (2, []), (2, ["--overlap", "thread"]),
    (3, ["--shard-optimizer", "--overlap", "poll"]),
  ])
  func stopsAndKeepsTheLastGoodCheckpoint(ranks: Int, options: [String]) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let run = try ProgramRun.unetDist(
        ranks: ranks,
        TinyTraining.arguments(
          data: folder + "/data", output: folder + "/run",
          ["--steps", "50", "--learning-rate", "1e30", "--checkpoint-every", "1"] + options),
        timeLimit: ErrorTests.patience)
      let trace = RunTrace(path: folder + "/run")
      let last = try #require(try trace.checkpointNames().last)
      run.expectOneError(naming: [
        "error: step \(try trace.steps().count + 1): the ", "samples cell-",
        folder + "/run/checkpoints/" + last, "--learning-rate",
      ])
      #expect(!run.standardError.contains("also failed"), "\(run)")

      let latest = folder + "/run/latest.safetensors"
      #expect(
        try FileManager.default.destinationOfSymbolicLink(atPath: latest) == "checkpoints/" + last)
      let scores = try ProgramRun.unetDist(
        "evaluate", "--checkpoint", latest, "--data", folder + "/data", "--json")
      // Its loss may be no number any more, which JSON calls null.
      #expect(try scores.jsonObject()["pixel_accuracy"] is Double, "\(scores)")
    }
  }

  /// The loss of the step is finite, and the weights that its update makes are not.
  @Test(arguments: [
    (1, []), (2, ["--checkpoint-every", "1", "--keep", "1"]),
    (3, ["--shard-optimizer", "--checkpoint-every", "1"]), (1, ["--optimizer", "adam"]),
  ])
  func savesNoWeightsThatAreNotFinite(ranks: Int, options: [String]) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let run = try ProgramRun.unetDist(
        ranks: ranks,
        TinyTraining.arguments(
          data: folder + "/data", output: folder + "/run",
          ["--steps", "1", "--learning-rate", "1e39"] + options))
      run.expectOneError(naming: [
        "error: step 1: the update has made the weights infinite or not a number",
        "no checkpoint was written yet", "--learning-rate",
      ])
      #expect(try RunTrace(path: folder + "/run").checkpointNames().isEmpty)
    }
  }

  @Test func saysSoBeforeTheFirstCheckpoint() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let run = try ProgramRun.unetDist(
        ranks: 1,
        TinyTraining.arguments(
          data: folder + "/data", output: folder + "/run",
          ["--steps", "50", "--learning-rate", "1e30"]))
      run.expectOneError(naming: ["no checkpoint was written yet", "samples cell-"])
      #expect(try RunTrace(path: folder + "/run").checkpointNames().isEmpty)
    }
  }
}
