// Sheets of training tiles.

import Files
import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct PreviewCommandTests {
  @Test func drawsOneRowAnImage() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let path = folder + "/sheet.png"
      func preview(_ augment: String) throws -> [UInt8] {
        let run = try ProgramRun.unetDist(
          ranks: 1,
          [
            "preview", "--data", folder + "/data", "--output", path, "--tile", "24", "--count",
            "3", "--augment", augment,
          ])
        #expect(run.succeeded, "\(run)")
        #expect(run.standardOutput.contains("3 of 4 images drawn"), "\(run)")
        let sheet = try ImageFile.read(path)
        #expect((sheet.width, sheet.height, sheet.channels) == (7 * 28 + 4, 3 * 28 + 4, 3))
        guard case .uint8(let values) = sheet.samples else { return [] }
        return values
      }
      let (plain, varied, again) = (
        try preview("none"), try preview("default"), try preview("default")
      )
      #expect(plain != varied && again == varied)
      // Without augmentation the tile with classes is that without, but for the classes.
      func pixel(_ values: [UInt8], _ column: Int) -> ArraySlice<UInt8> {
        let place = ((4 + 1) * (7 * 28 + 4) + 4 + column * 28 + 1) * 3
        return values[place..<place + 3]
      }
      let first = Array(pixel(plain, 0))
      #expect(first == [UInt8](repeating: first[0], count: 3))
    }
  }

  /// Pixels of no class keep the grey of the image.
  @Test func ignoredPixelsAreNotDrawnAsAClass() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      func coloured(_ options: [String]) throws -> Int {
        let run = try ProgramRun.unetDist(
          ranks: 1,
          [
            "preview", "--data", folder + "/data", "--output", folder + "/sheet.png", "--tile",
            "24",
            "--count", "1", "--augment", "none",
          ] + options)
        #expect(run.succeeded, "\(run)")
        guard case .uint8(let values) = try ImageFile.read(folder + "/sheet.png").samples else {
          return -1
        }
        let pixels = stride(from: 0, to: values.count, by: 3).map { Array(values[$0..<$0 + 3]) }
        return pixels.count { Set($0).count > 1 }
      }
      #expect(try coloured([]) > 100)
      #expect(try coloured(["--ignore", "255"]) == 0)
    }
  }

  @Test func wrongOptionsAreNamed() throws {
    try withTemporaryFolder { folder in
      for (options, text) in [
        (["--tile", "8"], "--tile"), (["--augment", "turn"], "--augment"), ([], "a folder with"),
      ] {
        let run = try ProgramRun.unetDist(
          ranks: 1,
          ["preview", "--data", folder + "/none", "--output", folder + "/a.png"] + options)
        #expect(!run.succeeded && run.standardError.contains(text), "\(run)")
      }
    }
  }
}
