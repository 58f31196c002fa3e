// What the pictures that `predict` writes hold.

import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct PredictedValuesTests {
  @Test func thePredictionIsAMaskOfTheSameValues() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", count: 2)
      let images = folder + "/data/images"
      for (values, output) in [("masks", "masks"), ("classes", "classes")] {
        let run = try ProgramRun.unetDist(
          "predict", "--checkpoint", TinyTraining.checkpoint(in: folder), images, "--output",
          "\(folder)/\(output)", "--values", values)
        #expect(run.succeeded, "\(run)")
      }
      // Scored as masks: every pixel of the network's own prediction is right.
      try FileManager.default.createDirectory(
        atPath: folder + "/own", withIntermediateDirectories: true)
      try FileManager.default.copyItem(atPath: images, toPath: folder + "/own/images")
      try FileManager.default.copyItem(atPath: folder + "/masks", toPath: folder + "/own/masks")
      let scores = try ProgramRun.unetDist(
        "evaluate", "--checkpoint", TinyTraining.checkpoint(in: folder), "--data",
        folder + "/own", "--json")
      #expect(try scores.jsonObject()["pixel_accuracy"] as? Double == 1)
      func values(_ output: String) throws -> [UInt8] {
        guard case .uint8(let values) = try ImageFile.read("\(folder)/\(output)/cell-0.png").samples
        else { return [] }
        return values
      }
      let classes = try values("classes")
      #expect(!classes.isEmpty && classes.allSatisfy { $0 < 2 })
      #expect(try values("masks") == classes.map { $0 * 255 })
    }
  }

  @Test func aClassThatNoMaskHadIsAnErrorOrANumber() throws {
    try withTemporaryFolder { folder in
      // Masks of one value make a network of two classes, of which a pass with dropout finds both.
      try TinyImages.squares(folder + "/data")
      for index in 0..<4 {
        try TinyImages.png("\(folder)/data/masks/cell-\(index).png", width: 24, height: 24) {
          _, _, _ in 7
        }
      }
      let trace = try TrainingRunTests.train(folder, ["--steps", "1", "--learning-rate", "1e-9"])
      let command = [
        "predict", "--checkpoint", trace.path, folder + "/data/images", "--threads", "1",
      ]
      let run = try ProgramRun.unetDist(ranks: 1, command + ["--output", folder + "/masks"])
      let numbers = try ProgramRun.unetDist(
        ranks: 1, command + ["--output", folder + "/classes", "--values", "classes"])
      #expect(numbers.succeeded, "\(numbers)")
      run.expectOneError(naming: ["--values", "class 1", "--values classes"])
    }
  }
}
