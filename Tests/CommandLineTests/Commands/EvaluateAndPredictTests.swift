// `evaluate` and `predict` as a user starts them, alone and with several ranks.

import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct EvaluateCommandTests {
  private static func evaluate(
    _ folder: String, ranks: Int = 1, _ options: [String] = ["--json"]
  ) throws -> ProgramRun {
    let checkpoint = try TinyTraining.checkpoint(in: folder)
    return try ProgramRun.unetDist(
      ranks: ranks,
      ["evaluate", "--checkpoint", checkpoint, "--data", folder + "/data"] + options)
  }

  @Test func theSameScoresOnAnyNumberOfRanksAndThreads() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", count: 5, side: 37)
      let alone = try Self.evaluate(folder)
      let scores = try alone.jsonObject()
      #expect(
        scores.keys.sorted() == [
          "classes", "loss", "mean_dice", "mean_iou", "pixel_accuracy", "pixel_error", "pixels",
        ])
      #expect(scores["pixels"] as? Int == 5 * 37 * 37)
      #expect(alone.standardError.contains("(layout images-masks), 5 samples\n"), "\(alone)")
      #expect(!alone.standardError.contains("warning"), "\(alone)")
      #expect(try Self.evaluate(folder).standardOutput == alone.standardOutput)
      for ranks in [2, 3] {
        let run = try Self.evaluate(folder, ranks: ranks)
        #expect(run.standardOutput == alone.standardOutput, "\(run)")
      }
      for threads in ["1", "3"] {
        let run = try Self.evaluate(folder, ["--json", "--threads", threads])
        #expect(run.standardOutput == alone.standardOutput, "\(run)")
      }
    }
  }

  @Test func moreRanksThanImages() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", count: 1)
      let alone = try Self.evaluate(folder)
      #expect(alone.succeeded, "\(alone)")
      let run = try Self.evaluate(folder, ranks: 3)
      #expect(run.standardOutput == alone.standardOutput, "\(run)")
      #expect(!alone.standardError.contains("warning"), "\(alone)")
      #expect(
        run.standardError.components(separatedBy: "warning: 1 tile for 3 ranks: 2 have no work")
          .count == 2, "\(run)")
    }
  }

  @Test func aTableForPeople() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      try Data(#"{"0": "ground", "255": "square"}"#.utf8)
        .write(to: URL(fileURLWithPath: folder + "/data/classes.json"))
      let run = try Self.evaluate(folder, ranks: 2, [])
      #expect(run.succeeded, "\(run)")
      for part in ["4 images", "step 2", "IoU", "Dice", "pixel accuracy", "value 255"] {
        #expect(run.standardOutput.contains(part), "\(part) in \(run)")
      }
    }
  }

  /// Names of classes come with data, and a terminal obeys what it is shown.
  @Test func namesCannotMoveTheCursor() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let names =
        #"{"classes": [{"value": 0, "name": "ground"}, {"value": 255, "name": "\u001b[2Jcell"}]}"#
      try Data(names.utf8).write(to: URL(fileURLWithPath: folder + "/data/classes.json"))
      let trace = try TrainingRunTests.train(folder, ["--steps", "2"])
      for command in [
        ["evaluate", "--checkpoint", trace.path, "--data", folder + "/data"],
        ["inspect", trace.path + "/latest.safetensors"],
        [
          "predict", "--checkpoint", trace.path, folder + "/data/images", "--output",
          folder + "/out", "--instances", "components", "--border-class", "255",
        ],
      ] {
        let run = try ProgramRun.unetDist(ranks: 1, command)
        #expect(run.succeeded && run.standardOutput.contains("cell"), "\(run)")
        #expect(!(run.standardOutput + run.standardError).contains("\u{1B}"), "\(command)")
      }
    }
  }

  @Test func aClassThatNeverOccurs() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let trace = try TrainingRunTests.train(
        folder,
        ["--classes", "4", "--steps", "60", "--optimizer", "adam", "--learning-rate", "0.01"])
      let command = [
        "evaluate", "--checkpoint", trace.path + "/latest.safetensors", "--data", folder + "/data",
      ]
      let scores = try ProgramRun.unetDist(ranks: 1, command + ["--json"]).jsonObject()
      let classes = try #require(scores["classes"] as? [[String: Any]])
      #expect(classes.map { $0["absent"] as? Bool } == [false, false, true, true])
      for name in ["iou", "dice", "precision", "recall"] {
        #expect(classes[3][name] is NSNull, "\(classes[3])")
        #expect(classes[1][name] is Double, "\(classes[1])")
      }
      let present = try classes.prefix(2).map { try #require($0["iou"] as? Double) }
      let mean = try #require(scores["mean_iou"] as? Double)
      #expect(abs(mean - (present[0] + present[1]) / 2) < 1e-12)
      let table = try ProgramRun.unetDist(ranks: 1, command)
      #expect(table.succeeded, "\(table)")
    }
  }
}

@Suite struct PredictCommandTests {
  private static func predict(
    _ folder: String, into output: String = "out", ranks: Int = 1, _ arguments: [String]
  ) throws -> ProgramRun {
    let checkpoint = try TinyTraining.checkpoint(in: folder)
    return try ProgramRun.unetDist(
      ranks: ranks,
      ["predict", "--checkpoint", checkpoint, "--output", "\(folder)/\(output)"] + arguments)
  }

  /// Images of odd sizes, by name.
  private static let sizes: [String: (width: Int, height: Int)] = [
    "one": (1, 1), "row": (50, 1), "column": (1, 21), "small": (3, 5),
    "odd": (31, 17), "tile": (16, 16), "large": (70, 45),
  ]

  private static func images(_ folder: String) throws {
    for (name, size) in sizes {
      try TinyImages.png("\(folder)/in/\(name).png", width: size.width, height: size.height) {
        x, y, _ in (x * 29 + y * 53 + x * y) % 256
      }
    }
  }

  /// The files of a folder and their bytes.
  private static func contents(_ folder: String) throws -> [String: Data] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    return try Dictionary(
      uniqueKeysWithValues: names.map { name in
        (name, try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name)))
      })
  }

  @Test func writesEverythingItIsAskedFor() throws {
    try withTemporaryFolder { folder in
      try Self.images(folder)
      let run = try Self.predict(folder, [folder + "/in", "--overlay", "--probabilities"])
      #expect(run.succeeded, "\(run)")
      #expect(run.standardOutput.contains("7 images segmented"), "\(run)")
      #expect(try Self.contents(folder + "/out").count == 3 * Self.sizes.count)
      for (name, size) in Self.sizes {
        let labels = try ImageFile.read("\(folder)/out/\(name).png")
        #expect((labels.width, labels.height) == (size.width, size.height), "\(name)")
        #expect(labels.channels == 1)
        guard case .uint8(let indices) = labels.samples else {
          Issue.record("labels of \(labels.bitsPerSample) bits")
          continue
        }
        let overlay = try ImageFile.read("\(folder)/out/\(name)-overlay.png")
        #expect((overlay.width, overlay.height) == (size.width, size.height), "\(name)")
        #expect(overlay.channels == 3)

        let array = try NumPyArray("\(folder)/out/\(name).npy")
        #expect(array.shape == [size.height, size.width, 2], "\(name)")
        for (pixel, index) in indices.enumerated() {
          let (first, second) = (array.values[2 * pixel], array.values[2 * pixel + 1])
          #expect(first >= 0 && second >= 0 && abs(first + second - 1) < 1e-5)
          // The values of the masks, 0 and 255.
          #expect(
            index == (second > first ? 255 : 0), "\(name) at \(pixel): \(first), \(second)")
        }
      }
    }
  }

  @Test func theSameOnTwoAndThreeRanks() throws {
    try withTemporaryFolder { folder in
      try Self.images(folder)
      let options = [
        folder + "/in", "--overlay", "--probabilities", "--mc-samples", "3", "--seed", "5",
      ]
      let alone = try Self.predict(folder, into: "alone", options)
      #expect(alone.succeeded, "\(alone)")
      let expected = try Self.contents(folder + "/alone")
      #expect(expected.count == 5 * Self.sizes.count)
      for ranks in [2, 3] {
        let run = try Self.predict(folder, into: "\(ranks)", ranks: ranks, options)
        #expect(run.succeeded, "\(run)")
        #expect(run.standardOutput.split(separator: "\n").count == 1, "\(run)")
        #expect(try Self.contents("\(folder)/\(ranks)") == expected)
      }
      let again = try Self.predict(folder, into: "threads", options + ["--threads", "3"])
      #expect(again.succeeded, "\(again)")
      #expect(try Self.contents(folder + "/threads") == expected)
    }
  }

  @Test func uncertaintyFromDropout() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", count: 1)
      let image = folder + "/data/images/cell-0.png"
      for (output, seed) in [("first", "1"), ("again", "1"), ("other", "2")] {
        let run = try Self.predict(
          folder, into: output, [image, "--mc-samples", "4", "--probabilities", "--seed", seed])
        #expect(run.succeeded, "\(run)")
      }
      let first = try Self.contents(folder + "/first")
      #expect(
        first.keys.sorted() == [
          "cell-0-entropy.npy", "cell-0-entropy.png", "cell-0.npy", "cell-0.png",
        ])
      #expect(try Self.contents(folder + "/again") == first)
      #expect(try Self.contents(folder + "/other") != first)

      let entropy = try NumPyArray(folder + "/first/cell-0-entropy.npy")
      #expect(entropy.shape == [24, 24])
      #expect(entropy.values.allSatisfy { $0 >= 0 && $0 <= 0.6932 })
      let mean = try NumPyArray(folder + "/first/cell-0.npy")
      for (pixel, value) in entropy.values.enumerated() {
        let parts = [mean.values[2 * pixel], mean.values[2 * pixel + 1]]
        let expected = parts.reduce(0) { $0 - ($1 > 0 ? $1 * log($1) : 0) }
        #expect(abs(value - expected) < 1e-4, "\(pixel)")
      }
    }
  }

  @Test func filesFoldersAndStacks() throws {
    try withTemporaryFolder { folder in
      try Self.images(folder)
      try TinyImages.tiff(folder + "/stack.tif", width: 13, height: 8, pageCount: 3) { x, y, page in
        (x * 20 + y * 30 + page * 70) % 256
      }
      // A page by itself, which the stack's second result must equal.
      try TinyImages.png(folder + "/page.png", width: 13, height: 8) { x, y, _ in
        (x * 20 + y * 30 + 70) % 256
      }
      let run = try Self.predict(
        folder, ranks: 2,
        [folder + "/stack.tif", folder + "/in", folder + "/page.png", "--format", "png"])
      #expect(run.succeeded, "\(run)")
      let contents = try Self.contents(folder + "/out")
      let expected = Self.sizes.keys + ["stack-0001", "stack-0002", "stack-0003", "page"]
      #expect(contents.keys.sorted() == expected.map { $0 + ".png" }.sorted())
      #expect(contents["stack-0002.png"] == contents["page.png"])
    }
  }

  @Test func agreesWithEvaluate() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", count: 3, side: 29)
      let run = try Self.predict(folder, ranks: 2, [folder + "/data/images"])
      #expect(run.succeeded, "\(run)")
      var right = 0
      for index in 0..<3 {
        let labels = try ImageFile.read("\(folder)/out/cell-\(index).png")
        guard case .uint8(let indices) = labels.samples else { continue }
        for (pixel, label) in indices.enumerated() {
          let isSquare = TinyImages.isInSquare(pixel % 29, pixel / 29, index, 29)
          right += (label == 255) == isSquare ? 1 : 0
        }
      }
      let scores = try ProgramRun.unetDist(
        "evaluate", "--checkpoint", TinyTraining.checkpoint(in: folder), "--data",
        folder + "/data", "--json")
      let accuracy = try #require(try scores.jsonObject()["pixel_accuracy"] as? Double)
      #expect(abs(accuracy - Double(right) / Double(3 * 29 * 29)) < 1e-12)
    }
  }

  @Test func otherTilesGiveTheSameWithinRounding() throws {
    try withTemporaryFolder { folder in
      try TinyImages.png(folder + "/large.png", width: 71, height: 45) { x, y, _ in
        (x * 29 + y * 53 + x * y) % 256
      }
      let options = [folder + "/large.png", "--probabilities", "--tile"]
      let arrays = try ["64", "96"].map { tile in
        let run = try Self.predict(folder, into: tile, options + [tile])
        #expect(run.succeeded, "\(run)")
        return try NumPyArray("\(folder)/\(tile)/large.npy").values
      }
      let difference = zip(arrays[0], arrays[1]).map { abs($0 - $1) }.max() ?? 1
      #expect(difference < 1e-4, "\(difference)")
    }
  }
}
