// `unet-dist export`: the files that it writes, and what it refuses.

import Files
import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct ExportCommandTests {
  private static func export(
    _ folder: String, _ options: String..., checkpoint: String? = nil
  ) throws -> ProgramRun {
    let path = try checkpoint ?? TinyTraining.checkpoint(in: folder)
    return try ProgramRun.unetDist(
      ranks: 1, ["export", "--checkpoint", path] + options)
  }

  @Test func aModelForONNXBeginsWithItsVersionAndNamesItsOutput() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/m.onnx"
      let run = try Self.export(folder, "--format", "onnx", "--output", path)
      #expect(run.succeeded, "\(run)")
      #expect(run.standardOutput.contains("heights and widths are multiples of 2"), "\(run)")
      let bytes = try InputFile.contents(of: path, limit: 1 << 24)
      #expect(bytes.prefix(2) == [0x08, 0x07])
      let text = String(decoding: bytes, as: UTF8.self)
      #expect(text.contains("probabilities") && text.contains("down.0.conv1.weight"))
      #expect(!text.contains("context.rows"))

      let larger = folder + "/same.onnx"
      let same = try Self.export(
        folder, "--format", "onnx", "--same-size", "--normalize", "--logits", "--output", larger)
      #expect(
        same.succeeded && same.standardOutput.contains("heights and widths are any"), "\(same)")
      let other = String(
        decoding: try InputFile.contents(of: larger, limit: 1 << 24), as: UTF8.self)
      #expect(other.contains("context.rows") && other.contains("intensities.mean"))
      #expect(other.contains("logits") && !other.contains("Softmax"))
    }
  }

  @Test func theOtherFormatsAreAFolderAndAnArchive() throws {
    try withTemporaryFolder { folder in
      let torch = try Self.export(folder, "--format", "pytorch", "--output", folder + "/torch")
      #expect(torch.succeeded, "\(torch)")
      let names = try Folder.names(in: folder + "/torch")
      #expect(names.sorted() == ["unet.py", "unet.safetensors"])

      try TinyImages.squares(folder + "/data")
      let package = try Self.export(
        folder, "--format", "bioimageio", "--output", folder + "/p.zip", "--sample",
        folder + "/data/images/cell-0.png", "--author", "A", "--license", "MIT")
      #expect(package.succeeded, "\(package)")
      let bytes = try InputFile.contents(of: folder + "/p.zip", limit: 1 << 24)
      #expect(bytes.prefix(4) == [0x50, 0x4B, 3, 4])
    }
  }

  @Test func whatIsMissingOrOfAnotherFormatIsAnError() throws {
    try withTemporaryFolder { folder in
      let output = folder + "/x"
      let missing = try Self.export(folder, "--format", "bioimageio", "--output", output)
      #expect(missing.exitStatus != 0 && missing.standardError.contains("--sample"), "\(missing)")
      let other = try Self.export(folder, "--format", "pytorch", "--logits", "--output", output)
      #expect(other.exitStatus != 0 && other.standardError.contains("--logits"), "\(other)")
      let nothing = try Self.export(
        folder, "--format", "onnx", "--output", output, checkpoint: folder)
      nothing.expectOneError(naming: [folder, "best.safetensors"])
      try TinyImages.png(folder + "/rgb.png", width: 4, height: 4, channels: 3) { $0 + $1 + $2 }
      let colour = try Self.export(
        folder, "--format", "bioimageio", "--output", output, "--sample", folder + "/rgb.png",
        "--author", "A", "--license", "MIT")
      colour.expectOneError(naming: ["rgb.png", "1 channel"])
      #expect(!FileManager.default.fileExists(atPath: output))
    }
  }
}
