// Other programs' annotations, from their files to a training.

import Foundation
import TestSupport
import Testing

@Suite struct ImportCommandTests {
  @Test func outlinesBecomeASetToTrainOn() throws {
    try withTemporaryFolder { folder in
      for name in ["a", "b"] {
        try TinyImages.png("\(folder)/outlines/\(name).png", width: 24, height: 24) { x, y, _ in
          x + y
        }
        let text = """
          {"imagePath": "\(name).png", "shapes": [
            {"label": "cell", "points": [[2, 2], [12, 2], [12, 12], [2, 12]]},
            {"label": "cell", "points": [[30, 30], [40, 30], [40, 40]]}]}
          """
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/outlines/\(name).json"))
      }
      let arguments = ["import", folder + "/outlines", "--output", folder + "/set"]
      let run = try ProgramRun.unetDist(ranks: 1, arguments)
      #expect(run.succeeded, "\(run)")
      #expect(run.standardOutput == "wrote 2 images with 2 objects to \(folder)/set\n")
      #expect(
        run.standardError == "warning: left out (2): objects without a pixel inside their image\n")
      let training = try ProgramRun.unetDist(
        ranks: 1,
        TinyTraining.arguments(
          data: folder + "/set", output: folder + "/run",
          ["--steps", "1", "--instance-borders"]))
      #expect(training.succeeded, "\(training)")
      try ProgramRun.unetDist(ranks: 1, arguments).expectOneError(naming: ["/set", "new or empty"])
    }
  }
}
