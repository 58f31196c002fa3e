// Every mistake of a user ends in one message, soon, whether there is one process or two.

import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct ErrorTests {
  /// A mistake: how to make it in a folder, and what the message must speak of.
  struct Mistake: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Returns the arguments of the program, and the parts of the message.
    let make: Making

    typealias Making =
      @Sendable (_ folder: String) throws -> (arguments: [String], parts: [String])

    init(_ name: String, _ make: @escaping Making) {
      testDescription = name
      self.make = make
    }
  }

  /// How long a failure may take, also on a machine with other work.
  static let patience = 20.0

  @Test(arguments: data + options + checkpoints + folders + sizes, [1, 2])
  func endsInOneMessage(_ mistake: Mistake, ranks: Int) throws {
    try withTemporaryFolder { folder in
      let (arguments, parts) = try mistake.make(folder)
      let run = try ProgramRun.unetDist(ranks: ranks, arguments, timeLimit: Self.patience)
      run.expectOneError(naming: parts)
      #expect(run.standardOutput.isEmpty || ranks > 1, "\(run)")
    }
  }
}

// MARK: - Arguments

extension ErrorTests {
  /// What cannot be understood has a status of its own, also that of mpirun.
  @Test(
    arguments: [
      ["train", "--no-such-option"], ["train", "--depth", "deep"], ["predict"], ["no-such-command"],
      ["train", "--stall-timeout", "-1x"],
    ], [1, 2])
  func argumentsThatCannotBeUnderstoodHaveAStatus(_ arguments: [String], ranks: Int) throws {
    let run = try ProgramRun.unetDist(ranks: ranks, arguments, timeLimit: Self.patience)
    #expect(run.exitStatus == 64 && !run.timedOut, "\(run)")
    #expect(run.errorLines.count == 1, "\(run)")
  }
}

// MARK: - Data

extension ErrorTests {
  /// `train` on the data set in `folder`, which a mistake has spoilt.
  private static func training(_ folder: String, _ more: [String] = []) -> [String] {
    TinyTraining.arguments(
      data: folder + "/data", output: folder + "/run", ["--steps", "2"] + more)
  }

  static let data = [
    Mistake("no such folder") { folder in
      (training(folder), ["\(folder)/data", "expected a folder with images/", "check the path"])
    },
    Mistake("a folder without images") { folder in
      try FileManager.default.createDirectory(
        atPath: folder + "/data/masks", withIntermediateDirectories: true)
      return (training(folder), ["\(folder)/data", "images/", "found 1 folder (masks)"])
    },
    Mistake("an image without mask") { folder in
      try TinyImages.squares(folder + "/data")
      try FileManager.default.removeItem(atPath: folder + "/data/masks/cell-1.png")
      return (training(folder), ["images/cell-1.png", "expected a mask", "add the mask"])
    },
    Mistake("borders of instances that there are not") { folder in
      try TinyImages.squares(folder + "/data")
      return (
        training(folder, ["--instance-borders"]),
        ["\(folder)/data", "expected a folder instances/", "found none"]
      )
    },
    Mistake("instances of another size") { folder in
      try TinyImages.squares(folder + "/data")
      try TinyImages.halves(folder + "/data", side: 25)
      return (
        training(folder, ["--weight-map", "unet"]),
        ["instances/cell-0.png", "expected 24x24", "found 25x25"]
      )
    },
    Mistake("an image without instances") { folder in
      try TinyImages.squares(folder + "/data")
      try TinyImages.halves(folder + "/data", count: 3)
      return (training(folder), ["images/cell-3.png", "expected instances", "found none"])
    },
    Mistake("images to validate on that nobody has labelled") { folder in
      try TinyImages.squares(folder + "/data")
      for kind in ["images", "masks"] {
        try TinyImages.png(folder + "/held-out/\(kind)/a.png", width: 24, height: 24) { x, y, _ in
          kind == "masks" ? 99 : x + y
        }
      }
      return (
        training(folder, ["--validation-data", folder + "/held-out", "--ignore", "99"]),
        ["expected a labelled pixel", "validated on", "only ignored ones"]
      )
    },
    Mistake("a mask without image") { folder in
      try TinyImages.squares(folder + "/data")
      try FileManager.default.removeItem(atPath: folder + "/data/images/cell-2.png")
      return (training(folder), ["masks/cell-2.png", "expected an image", "remove the mask"])
    },
    Mistake("sizes differ") { folder in
      try TinyImages.squares(folder + "/data")
      try TinyImages.png(folder + "/data/masks/cell-3.png", width: 24, height: 23) { _, _, _ in 0 }
      return (training(folder), ["masks/cell-3.png", "24x24", "24x23"])
    },
    Mistake("channels differ") { folder in
      try TinyImages.squares(folder + "/data")
      let image = folder + "/data/images/cell-3"
      try FileManager.default.removeItem(atPath: image + ".png")
      try NumPyFile.write(
        [Float](repeating: 1, count: 24 * 24 * 2), shape: [24, 24, 2], to: image + ".npy")
      return (
        training(folder), ["images/cell-3.npy", "expected a grey image", "an image of 2 channels"]
      )
    },
    Mistake("a PNG cut short") { folder in
      try TinyImages.squares(folder + "/data")
      let file = URL(fileURLWithPath: folder + "/data/images/cell-0.png")
      let bytes = try Data(contentsOf: file)
      try bytes.prefix(bytes.count * 2 / 3).write(to: file)
      return (training(folder), ["images/cell-0.png", "expected", "found", "; "])
    },
    Mistake("a TIFF of complex numbers") { folder in
      try TinyImages.squares(folder + "/data")
      try FileManager.default.removeItem(atPath: folder + "/data/images/cell-0.png")
      try FileManager.default.copyItem(
        atPath: imageFixture("unsupported-complex64.tif"),
        toPath: folder + "/data/images/cell-0.tif")
      return (training(folder), ["images/cell-0.tif", "expected", "complex", "; "])
    },
    Mistake("a TIFF of four colours") { folder in
      try TinyImages.squares(folder + "/data")
      try FileManager.default.removeItem(atPath: folder + "/data/images/cell-0.png")
      try FileManager.default.copyItem(
        atPath: imageFixture("unsupported-cmyk.tif"), toPath: folder + "/data/images/cell-0.tif")
      return (training(folder), ["images/cell-0.tif", "expected", "found", "; "])
    },
    Mistake("more mask values than classes") { folder in
      try TinyImages.squares(folder + "/data", count: 2, side: 32)
      try TinyImages.png(folder + "/data/masks/cell-1.png", width: 32, height: 32, channels: 3) {
        x, y, channel in [x, y, 0][channel]
      }
      return (training(folder), ["masks/cell-1.png", "at most 255"])
    },
    Mistake("a mask value that the checkpoint does not know") { folder in
      try TinyImages.squares(folder + "/data")
      try TinyImages.png(folder + "/data/masks/cell-3.png", width: 24, height: 24) { x, y, _ in
        x == 5 && y == 7 ? 90 : 0
      }
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      return (
        ["evaluate", "--checkpoint", checkpoint, "--data", folder + "/data"],
        ["masks/cell-3.png", "0, 255", "90 at x 5, y 7"]
      )
    },
    Mistake("an RGB image for a grey network") { folder in
      try TinyImages.png(folder + "/in/colour.png", width: 9, height: 9, channels: 3) {
        x, y, channel in x + y + channel
      }
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      return (
        ["predict", "--checkpoint", checkpoint, folder + "/in", "--output", folder + "/out"],
        ["in/colour.png", "expected 1 channel", "found 3"]
      )
    },
    Mistake("an RGB data set for a grey network") { folder in
      try TinyImages.squares(folder + "/data", count: 1)
      try TinyImages.png(folder + "/data/images/cell-0.png", width: 24, height: 24, channels: 3) {
        x, y, channel in x + y + channel
      }
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      return (
        ["evaluate", "--checkpoint", checkpoint, "--data", folder + "/data"],
        ["images/cell-0.png", "expected 1 channel", "found 3"]
      )
    },
    Mistake("validation images of other channels") { folder in
      try TinyImages.squares(folder + "/data")
      try TinyImages.colouredBars(folder + "/other", sizes: [(20, 20)])
      return (
        training(folder, ["--validation-data", folder + "/other"]),
        [folder + "/other", "1 channel", "found 3"]
      )
    },
  ]

  private static func imageFixture(_ name: String) -> String {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
      .appending(path: "ImagingTests/Fixtures/" + name).path
  }
}

// MARK: - Options

extension ErrorTests {
  static let options = [
    Mistake("an illegal tile") { folder in
      try TinyImages.squares(folder + "/data")
      return (training(folder, ["--tile", "17"]), ["--tile", "found 17", "16 and 18"])
    },
    Mistake("an illegal tile of predict") { folder in
      try TinyImages.squares(folder + "/data")
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      return (
        [
          "predict", "--checkpoint", checkpoint, folder + "/data/images", "--output",
          folder + "/out", "--tile", "15",
        ], ["--tile", "found 15", "14 and 16"]
      )
    },
    Mistake("a tile beyond all sense") { folder in
      try TinyImages.squares(folder + "/data")
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      return (
        [
          "evaluate", "--checkpoint", checkpoint, "--data", folder + "/data", "--tile",
          "9223372036854775807",
        ], ["--tile", "a whole number from 1 to 16384"]
      )
    },
    Mistake("no number") { folder in
      (training(folder, ["--seed", "x"]), ["--seed", "a whole number", "\"x\""])
    },
    Mistake("an unknown flag") { folder in
      (training(folder, ["--base-chanels", "8"]), ["--base-chanels"])
    },
    Mistake("no data for evaluate") { folder in
      (["evaluate", "--checkpoint", folder + "/c.safetensors"], ["--data", "--images"])
    },
    Mistake("an unknown key in a file") { folder in
      try write("seed: 1\nlerning-rate: 0.1\n", to: folder + "/options.yaml")
      return (
        training(folder, ["--config", folder + "/options.yaml"]),
        ["options.yaml:2", "lerning-rate", "did you mean learning-rate?"]
      )
    },
    Mistake("a bad value in a file") { folder in
      try write("# options\n\ndropout: 1.5\n", to: folder + "/options.yaml")
      return (
        training(folder, ["--config", folder + "/options.yaml"]),
        ["options.yaml:3", "dropout", "a number from 0 to below 1", "found 1.5"]
      )
    },
    Mistake("a file that is no YAML") { folder in
      try write("seed: [1\n", to: folder + "/options.yaml")
      return (
        training(folder, ["--config", folder + "/options.yaml"]), ["options.yaml", "YAML"]
      )
    },
    Mistake("fewer classes than the masks") { folder in
      try TinyImages.colouredBars(folder + "/data", sizes: [(20, 20), (16, 16)])
      return (training(folder, ["--classes", "2"]), ["--classes", "3 classes", "found 2"])
    },
    Mistake("more class weights than classes") { folder in
      try TinyImages.squares(folder + "/data")
      return (training(folder, ["--class-weights", "1,2,3"]), ["--class-weights", "found 3"])
    },
  ]

  private static func write(_ text: String, to path: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }
}

// MARK: - Checkpoints

extension ErrorTests {
  /// Scores the data set in `folder` by the checkpoint there.
  private static func evaluation(_ folder: String, _ checkpoint: String) -> [String] {
    ["evaluate", "--checkpoint", checkpoint, "--data", folder + "/data"]
  }

  static let checkpoints = [
    Mistake("no checkpoint") { folder in
      try TinyImages.squares(folder + "/data")
      return (
        evaluation(folder, folder + "/none.safetensors"),
        ["none.safetensors: expected a file, found nothing; check the spelling"]
      )
    },
    Mistake("a checkpoint cut short") { folder in
      try TinyImages.squares(folder + "/data")
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      let bytes = try Data(contentsOf: URL(fileURLWithPath: checkpoint))
      try bytes.dropLast(100).write(to: URL(fileURLWithPath: checkpoint))
      return (evaluation(folder, checkpoint), [checkpoint, "expected", "found"])
    },
    Mistake("a checkpoint with one other byte") { folder in
      try TinyImages.squares(folder + "/data")
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      var bytes = try Data(contentsOf: URL(fileURLWithPath: checkpoint))
      bytes[bytes.count - 1000] ^= 1
      try bytes.write(to: URL(fileURLWithPath: checkpoint))
      return (evaluation(folder, checkpoint), [checkpoint, "checksum"])
    },
    Mistake("an image as checkpoint") { folder in
      try TinyImages.squares(folder + "/data")
      return (
        evaluation(folder, folder + "/data/images/cell-0.png"),
        ["cell-0.png", "expected", "found"]
      )
    },
    Mistake("weights of another architecture") { folder in
      try TinyImages.squares(folder + "/data")
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      return (
        training(folder, ["--load", checkpoint, "--base-channels", "6"]),
        [checkpoint, "[4, 1, 3, 3]", "[6, 1, 3, 3]", "model options"]
      )
    },
    Mistake("a run of another architecture") { folder in
      try TinyImages.squares(folder + "/data")
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      return (
        training(folder, ["--resume", checkpoint, "--base-channels", "6"]),
        [checkpoint, "--base-channels", "resume with the options of the run"]
      )
    },
    Mistake("nothing to resume from") { folder in
      try TinyImages.squares(folder + "/data")
      return (
        training(folder, ["--resume"]), [folder + "/run", "expected a checkpoint to resume from"]
      )
    },
  ]
}

// MARK: - Folders

extension ErrorTests {
  static let folders = [
    Mistake("an output below a file") { folder in
      try TinyImages.squares(folder + "/data")
      try write("", to: folder + "/file")
      return (
        training(folder, ["--output", folder + "/file/run"]),
        [folder + "/file/run", "Not a directory", "is a file, not a folder"]
      )
    },
    Mistake("results below a file") { folder in
      try TinyImages.squares(folder + "/data")
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      try write("", to: folder + "/file")
      return (
        [
          "predict", "--checkpoint", checkpoint, folder + "/data/images", "--output",
          folder + "/file/out",
        ], [folder + "/file/out", "Not a directory", "is a file, not a folder"]
      )
    },
    Mistake("a run that is there already") { folder in
      try TinyImages.squares(folder + "/data")
      try FileManager.default.createDirectory(
        atPath: folder + "/run", withIntermediateDirectories: true)
      try write("seed: 1\n", to: folder + "/run/config.yaml")
      return (training(folder), [folder + "/run", "expected a folder without a run", "--resume"])
    },
    Mistake("results over the images") { folder in
      try TinyImages.squares(folder + "/data")
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      return (
        [
          "predict", "--checkpoint", checkpoint, folder + "/data/images", "--output",
          folder + "/data/images",
        ], ["--output", "cell-0.png", "is an input", "choose another folder"]
      )
    },
    Mistake("no input for predict") { folder in
      let checkpoint = try TinyTraining.checkpoint(in: folder)
      return (
        [
          "predict", "--checkpoint", checkpoint, folder + "/nothing.png", "--output",
          folder + "/out",
        ], [folder + "/nothing.png", "expected an image file", "found nothing"]
      )
    },
  ]
}

// MARK: - Sizes

extension ErrorTests {
  /// Small files that are of a terabyte, which takes no room on the disk, and none in memory.
  static let sizes = [
    huge("classes.json") { folder in (folder + "/data/classes.json", training(folder)) },
    huge("a manifest") { folder in
      let path = folder + "/list.csv"
      return (path, ["train", "--data", path, "--output", folder + "/run", "--steps", "1"])
    },
    huge("options") { folder in
      let path = folder + "/options.yaml"
      return (path, ["train", "--config", path, "--output", folder + "/run"])
    },
    huge("a division") { folder in
      try TrainingRunTests.train(folder, ["--steps", "1"])
      return (folder + "/run/split.json", ["train", "--resume", "--output", folder + "/run"])
    },
  ]

  /// A file that is far too large, and the arguments by which it is read.
  private static func huge(
    _ name: String,
    _ make: @escaping @Sendable (_ folder: String) throws -> (path: String, arguments: [String])
  ) -> Mistake {
    Mistake("\(name) of a terabyte") { folder in
      try TinyImages.squares(folder + "/data")
      let (path, arguments) = try make(folder)
      try write("", to: path)
      guard truncate(path, 1 << 40) == 0 else { throw CocoaError(.fileWriteUnknown) }
      return (arguments, [path, "expected at most", "bytes"])
    }
  }
}
