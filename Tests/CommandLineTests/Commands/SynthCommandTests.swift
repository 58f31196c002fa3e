// `unet-dist synth` as a user starts it.

import Foundation
import TestSupport
import Testing

@Suite struct SynthCommandTests {
  @Test func writesADataSetOnce() throws {
    try withTemporaryFolder { folder in
      let output = folder + "/cells"
      let first = try ProgramRun.unetDist(
        "synth", "--output", output, "--count", "3", "--side", "32", "--seed", "5")
      #expect(first.succeeded, "\(first)")
      for subfolder in ["images", "masks"] {
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(output)/\(subfolder)")
        #expect(names.count == 3, "\(names)")
      }
      #expect(FileManager.default.fileExists(atPath: output + "/classes.json"))

      let again = try ProgramRun.unetDist("synth", "--output", output, "--count", "3")
      #expect(again.exitStatus == 64, "\(again)")
      #expect(again.standardError.contains(output), "\(again)")
      #expect(again.standardError.contains("new or empty"), "\(again)")
    }
  }

  @Test func refusesImagesTooSmall() throws {
    try withTemporaryFolder { folder in
      let run = try ProgramRun.unetDist(
        "synth", "--output", folder, "--count", "1", "--side", "8")
      #expect(run.exitStatus == 64, "\(run)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }
  }
}
