// `evaluate` and `predict` by means: of several networks, of passes with dropout.

import Foundation
import TestSupport
import Testing

@Suite struct EnsembleCommandTests {
  /// Checkpoints of networks of two sizes, trained for the same masks.
  private static func checkpoints(_ folder: String) throws -> [String] {
    let first = try TinyTraining.checkpoint(in: folder)
    let second = try TrainingRunTests.train(
      folder, ["--steps", "2", "--base-channels", "6", "--seed", "4"])
    return [first, second.path]
  }

  @Test func meansOfSeveralNetworks() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", side: 41)
      let paths = try Self.checkpoints(folder)
      let image = folder + "/data/images/cell-1.png"
      func probabilities(_ paths: [String], _ output: String, ranks: Int = 1) throws -> [Float] {
        let run = try ProgramRun.unetDist(
          ranks: ranks,
          ["predict", image, "--output", folder + "/" + output, "--probabilities"]
            + paths.flatMap { ["--checkpoint", $0] })
        #expect(run.succeeded, "\(run)")
        return try NumPyArray("\(folder)/\(output)/cell-1.npy").values
      }
      let first = try probabilities([paths[0]], "first")
      let second = try probabilities([paths[1]], "second")
      let both = try probabilities(paths, "both")
      #expect(first != second)
      for place in both.indices {
        #expect(abs(both[place] - (first[place] + second[place]) / 2) < 5e-5)
      }
      #expect(try probabilities(paths, "two", ranks: 2) == both)

      let evaluate =
        ["evaluate", "--data", folder + "/data"] + paths.flatMap { ["--checkpoint", $0] }
      let alone = try ProgramRun.unetDist(ranks: 1, evaluate + ["--json"])
      #expect(alone.succeeded, "\(alone)")
      let ranks = try ProgramRun.unetDist(ranks: 3, evaluate + ["--json"])
      #expect(ranks.standardOutput == alone.standardOutput, "\(ranks)")
      let table = try ProgramRun.unetDist(ranks: 1, evaluate)
      #expect(table.standardOutput.contains("mean of 2 checkpoints, of the steps 2, 2"), "\(table)")
    }
  }

  @Test func networksOfOtherClassesAreRefused() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      try TinyImages.colouredBars(folder + "/bars", sizes: [(24, 24), (24, 24)])
      let first = try TinyTraining.checkpoint(in: folder)
      let other = try ProgramRun.unetDist(
        ranks: 1,
        TinyTraining.arguments(
          data: folder + "/bars", output: folder + "/other", ["--steps", "1"]))
      #expect(other.succeeded, "\(other)")
      for ranks in [1, 2] {
        let run = try ProgramRun.unetDist(
          ranks: ranks,
          [
            "evaluate", "--data", folder + "/data", "--checkpoint", first, "--checkpoint",
            folder + "/other",
          ])
        run.expectOneError(naming: [
          folder + "/other", "1 channel, 2 classes of the mask values 0, 255", "3 channels",
        ])
      }
    }
  }

  @Test func dropoutSamplesInEvaluate() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", side: 37)
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      func scores(_ options: [String], ranks: Int = 1) throws -> String {
        let run = try ProgramRun.unetDist(
          ranks: ranks,
          ["evaluate", "--checkpoint", checkpoint, "--data", folder + "/data", "--json"] + options)
        #expect(run.succeeded, "\(run)")
        return run.standardOutput
      }
      let plain = try scores([])
      let samples = try scores(["--mc-samples", "3"])
      #expect(samples != plain)
      #expect(try scores(["--mc-samples", "3"], ranks: 3) == samples)
      #expect(try scores(["--mc-samples", "3", "--threads", "3"]) == samples)
      #expect(try scores(["--mc-samples", "3", "--seed", "8"]) != samples)
      #expect(try scores(["--tta"], ranks: 2) == scores(["--tta"]))
      let both = try ProgramRun.unetDist(
        "evaluate", "--checkpoint", checkpoint, "--data", folder + "/data", "--tta",
        "--mc-samples", "2")
      #expect(
        !both.succeeded && both.standardError.contains("--mc-samples: expected 0 beside --tta"),
        "\(both)")
    }
  }

  @Test func aFolderWithoutACheckpointIsAnError() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let run = try ProgramRun.unetDist(
        "evaluate", "--checkpoint", folder, "--data", folder + "/data")
      run.expectOneError(naming: [folder, "best.safetensors or latest.safetensors", "neither"])
    }
  }

  @Test func aTileWithoutRoomForTheContextIsSaid() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      let run = try ProgramRun.unetDist(
        ranks: 2,
        ["evaluate", "--checkpoint", checkpoint, "--data", folder + "/data", "--tile", "16"])
      #expect(run.succeeded, "\(run)")
      #expect(
        run.standardError.components(separatedBy: "tiles of 16 have no room").count == 2, "\(run)")
    }
  }
}
