// The threshold of the foreground: found in training, kept in checkpoints, used when asked for.

import Files
import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct ThresholdTests {
  private static let options = [
    "--optimizer", "adam", "--learning-rate", "0.01", "--global-batch", "2", "--evaluate-every",
    "2", "--checkpoint-every", "3", "--validation-fraction", "0.25",
  ]

  private static func threshold(_ path: String) throws -> String? {
    try SafetensorsFile.read(path, requireChecksum: true).metadata["threshold"]
  }

  @Test func anEvaluationFindsItAndCheckpointsKeepIt() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", side: 37)
      let whole = try TrainingRunTests.train(
        folder, into: "whole", Self.options + ["--steps", "6"])
      let latest = whole.path + "/latest.safetensors"
      let kept = try #require(try Self.threshold(latest))
      let last = try #require(try whole.log().last { $0["event"] as? String == "evaluation" })
      let found = try #require(last["threshold"] as? Double)
      #expect(found > 0 && found < 1)
      #expect(kept.contains("\"value\":\(found)") && kept.contains("\"step\":6"), "\(kept)")
      let dice = try #require(last["threshold_dice"] as? Double)

      // Ranks and a run that stops do not change it; a checkpoint between has that of the evaluation before.
      let ranks = try TrainingRunTests.train(
        folder, into: "ranks", ranks: 3, Self.options + ["--steps", "6"])
      #expect(try Self.threshold(ranks.path + "/latest.safetensors") == kept)
      try TrainingRunTests.train(folder, into: "parts", Self.options + ["--steps", "3"])
      let run = try ProgramRun.unetDist(
        ranks: 2, ["train", "--resume", "--output", folder + "/parts", "--steps", "6"])
      #expect(run.succeeded, "\(run)")
      #expect(try Self.threshold(folder + "/parts/latest.safetensors") == kept)

      // Scored with it, the validation images have the Dice that was promised.
      let names = try #require(try whole.log().first?["validation_images"] as? [String])
      for kind in ["images", "masks"] {
        try FileManager.default.createDirectory(
          atPath: "\(folder)/held-out/\(kind)", withIntermediateDirectories: true)
        for name in names {
          try FileManager.default.copyItem(
            atPath: "\(folder)/data/\(kind)/\(name).png",
            toPath: "\(folder)/held-out/\(kind)/\(name).png")
        }
      }
      let scores = try ProgramRun.unetDist(
        "evaluate", "--checkpoint", latest, "--data", folder + "/held-out", "--threshold",
        "validation", "--tile", "16", "--json"
      ).jsonObject()
      let classes = try #require(scores["classes"] as? [[String: Any]])
      #expect(classes[1]["dice"] as? Double == dice)

      // And predict writes what is above it.
      let image = folder + "/data/images/cell-0.png"
      for value in ["0.2", "validation"] {
        let predicted = try ProgramRun.unetDist(
          "predict", "--checkpoint", latest, image, "--output", folder + "/" + value,
          "--probabilities", "--threshold", value)
        #expect(predicted.succeeded, "\(predicted)")
        let array = try NumPyArray("\(folder)/\(value)/cell-0.npy").values
        guard
          case .uint8(let mask) = try ImageFile.read("\(folder)/\(value)/cell-0.png").samples
        else {
          Issue.record("a mask of other samples")
          continue
        }
        let limit = Float(value == "validation" ? found : 0.2)
        for (pixel, label) in mask.enumerated() {
          #expect((label == 255) == (array[2 * pixel + 1] > limit))
        }
      }
    }
  }

  @Test func whatHasNoThresholdIsAnError() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      func evaluate(_ checkpoint: String, _ threshold: String, ranks: Int = 1) throws -> ProgramRun
      {
        try ProgramRun.unetDist(
          ranks: ranks,
          [
            "evaluate", "--checkpoint", checkpoint, "--data", folder + "/data", "--threshold",
            threshold,
          ])
      }
      let old = Fixtures.path("checkpoint-format-1")
      for ranks in [1, 2] {
        try evaluate(old, "validation", ranks: ranks).expectOneError(
          naming: [old, "a threshold from validation images", "found none"])
      }
      let three = try TrainingRunTests.train(
        folder, ["--classes", "3", "--steps", "1", "--validation-fraction", "0.3"])
      try evaluate(three.path, "0.4").expectOneError(naming: ["--threshold", "two classes", "3"])
      for wrong in ["0", "1", "nan", "often"] {
        let run = try evaluate(three.path, wrong)
        #expect(!run.succeeded && run.standardError.contains("--threshold"), "\(run)")
      }
      let table = try ProgramRun.unetDist(
        "evaluate", "--checkpoint", TinyTraining.checkpoint(in: folder), "--data",
        folder + "/data", "--threshold", "0.25")
      #expect(table.standardOutput.contains("threshold 0.25"), "\(table)")
    }
  }
}
