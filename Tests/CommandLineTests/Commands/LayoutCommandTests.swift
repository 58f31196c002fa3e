// Sets in several layouts, through the program.

import Files
import Foundation
import TestSupport
import Testing

@Suite struct LayoutCommandTests {
  /// A table of a set of squares: the first is validated on, and the last is for tests.
  private static func table(_ folder: String) throws -> String {
    try TinyImages.squares(folder + "/data")
    let path = folder + "/set.csv"
    var text = "image,mask,split\n"
    for (index, part) in ["val", "train", "train", "test"].enumerated() {
      text += "data/images/cell-\(index).png,data/masks/cell-\(index).png,\(part)\n"
    }
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return path
  }

  @Test func aTableSaysWhatIsValidatedOn() throws {
    try withTemporaryFolder { folder in
      let path = try Self.table(folder)
      func run(_ options: [String], _ output: String) throws -> (ProgramRun, String) {
        let run = try ProgramRun.unetDist(
          ranks: 1,
          TinyTraining.arguments(data: path, output: folder + "/" + output, options))
        #expect(run.succeeded, "\(run)")
        return (
          run, try String(contentsOfFile: folder + "/\(output)/split.json", encoding: .utf8)
        )
      }
      let (first, split) = try run(["--steps", "1"], "run")
      #expect(
        (first.standardOutput + first.standardError).contains("(layout manifest), 3 samples, 1 of"))
      #expect(split.contains(#""validation" : [\#n    "cell-0"\#n  ]"#), "\(split)")
      // The folder's own options give the same division again.
      let (_, again) = try run(["--config", folder + "/run/config.yaml"], "again")
      #expect(again == split)
      let (_, resumed) = try run(["--resume", "--steps", "2"], "run")
      #expect(resumed == split)
      let (other, fold) = try run(["--steps", "1", "--folds", "3", "--fold", "1"], "fold")
      #expect(fold != split)
      #expect((other.standardOutput + other.standardError).contains("own division is not used"))
    }
  }

  @Test func aLayoutIsNamed() throws {
    try withTemporaryFolder { folder in
      let path = try Self.table(folder)
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      func evaluate(_ data: String, _ layout: String) throws -> ProgramRun {
        try ProgramRun.unetDist(
          ranks: 1,
          ["evaluate", "--checkpoint", checkpoint, "--data", data, "--layout", layout, "--json"])
      }
      let run = try evaluate(path, "manifest")
      #expect(run.succeeded && run.standardError.contains("(layout manifest), 3 samples"), "\(run)")
      #expect(run.standardError.contains("scored: the 1 of the part test, in \(path)"), "\(run)")
      let validated = try ProgramRun.unetDist(
        ranks: 2,
        [
          "evaluate", "--checkpoint", checkpoint, "--data", path, "--part", "val", "--metrics",
          "pixels", "--per-image", folder + "/scores.csv",
        ])
      #expect(validated.succeeded, "\(validated)")
      let scores = try String(contentsOfFile: folder + "/scores.csv", encoding: .utf8)
      #expect(scores.contains("cell-0") && !scores.contains("cell-1"), "\(scores)")
      try ProgramRun.unetDist(
        ranks: 1,
        ["evaluate", "--checkpoint", checkpoint, "--data", folder + "/data", "--part", "test"]
      ).expectOneError(naming: [folder + "/data", "samples of the part test", "no parts"])
      try evaluate(folder + "/data", "dsb2018").expectOneError(
        naming: [folder + "/data", "ID/images/ID.png", "2 folders (images, masks)"])
      let unknown = try evaluate(folder + "/data", "other")
      #expect(!unknown.succeeded && unknown.standardError.contains("nnunet"), "\(unknown)")
      let training = try ProgramRun.unetDist(
        ranks: 1,
        TinyTraining.arguments(
          data: folder + "/data", output: folder + "/run", ["--layout", "other"]))
      training.expectOneError(naming: ["layout", "images-masks", "\"other\""])
    }
  }
}
