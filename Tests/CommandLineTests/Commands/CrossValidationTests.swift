// Divisions into training and validation: by folds, by hand, and when a run goes on.

import Checkpoints
import Foundation
import Network
import Tensors
import TestSupport
import Testing

@Suite struct CrossValidationTests {
  private static let short = ["--steps", "2", "--global-batch", "2", "--evaluate-every", "0"]

  private struct Split: Decodable, Equatable {
    let folds: [[String]]?
    let fold: Int?
    let training: [String]
    let validation: [String]
  }

  private static func split(_ trace: RunTrace) throws -> Split {
    try JSONDecoder().decode(
      Split.self, from: Data(contentsOf: URL(fileURLWithPath: trace.path + "/split.json")))
  }

  private static func validated(_ trace: RunTrace) throws -> [String] {
    try #require(
      try trace.log().last { $0["validation_images"] != nil }?["validation_images"] as? [String])
  }

  @Test func theFoldsOfAllRunsAreTheSamples() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", count: 7)
      let traces = try (1...3).map { fold in
        try TrainingRunTests.train(
          folder, into: "fold-\(fold)", ranks: fold,
          Self.short + ["--folds", "3", "--fold", "\(fold)"])
      }
      let splits = try traces.map(Self.split)
      #expect(Set(splits.map(\.folds)).count == 1)
      #expect(splits.map(\.fold) == [1, 2, 3])
      #expect(splits.map(\.validation.count) == [3, 2, 2])
      #expect(splits.flatMap(\.validation).sorted() == (0..<7).map { "cell-\($0)" })
      for (trace, split) in zip(traces, splits) {
        #expect(try Self.validated(trace) == split.validation)
        #expect(Set(split.training).isDisjoint(with: split.validation))
        #expect(split.training.count + split.validation.count == 7)
      }
      let other = try TrainingRunTests.train(
        folder, into: "seed", Self.short + ["--folds", "3", "--fold", "1", "--seed", "5"])
      #expect(try Self.split(other).folds != splits[0].folds)
    }
  }

  @Test func theSplitOfARunIsGoodForAnother() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", count: 6)
      let first = try TrainingRunTests.train(
        folder, into: "first", Self.short + ["--folds", "3", "--fold", "2"])
      let file = first.path + "/split.json"
      let again = try TrainingRunTests.train(
        folder, into: "again", ranks: 2, Self.short + ["--split", file])
      #expect(try again.tensors() == first.tensors())
      let third = try TrainingRunTests.train(
        folder, into: "third", Self.short + ["--split", file, "--fold", "3"])
      let direct = try TrainingRunTests.train(
        folder, into: "direct", Self.short + ["--folds", "3", "--fold", "3"])
      #expect(try third.tensors() == direct.tensors())
      #expect(try Self.split(third) == Self.split(direct))
    }
  }

  @Test func aRunGoesOnWithItsOwnDivision() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", count: 6)
      let split = folder + "/hand.json"
      try Data(#"{"validation": ["cell-4", "cell-0"]}"#.utf8).write(to: URL(fileURLWithPath: split))
      let options = ["--global-batch", "2", "--evaluate-every", "2", "--split", split]
      let whole = try TrainingRunTests.train(folder, into: "whole", options + ["--steps", "4"])
      let parts = try TrainingRunTests.train(folder, into: "parts", options + ["--steps", "2"])
      #expect(try Self.validated(parts) == ["cell-0", "cell-4"])
      // The file may have gone; the run's folder has what it said.
      try FileManager.default.removeItem(atPath: split)
      let run = try ProgramRun.unetDist(
        ranks: 2, ["train", "--resume", "--output", parts.path, "--steps", "4"])
      #expect(run.succeeded, "\(run)")
      #expect(try parts.tensors() == whole.tensors())
      #expect(try parts.losses() == whole.losses())

      // Into another folder, from the checkpoint alone.
      let elsewhere = try ProgramRun.unetDist(
        ranks: 1,
        [
          "train", "--resume", parts.path + "/latest.safetensors", "--output", folder + "/new",
          "--steps", "5",
        ])
      #expect(elsewhere.succeeded, "\(elsewhere)")
      #expect(try Self.split(RunTrace(path: folder + "/new")) == Self.split(parts))

      // A division that was changed behind the run is found out.
      try Data(#"{"validation": ["cell-1", "cell-0"]}"#.utf8)
        .write(to: URL(fileURLWithPath: parts.path + "/split.json"))
      let changed = try ProgramRun.unetDist(
        ranks: 2, ["train", "--resume", "--output", parts.path, "--steps", "6"])
      changed.expectOneError(naming: ["division into training and validation", "split.json"])
    }
  }

  @Test func pagesOfAStackStayTogether() throws {
    try withTemporaryFolder { folder in
      try TinyImages.stacks(folder + "/data")
      let trace = try TrainingRunTests.train(
        folder, Self.short + ["--validation-fraction", "0.2"])
      let validated = try Self.validated(trace)
      #expect(
        validated.count == 3 && Set(validated.map { $0.prefix(1) }).count == 1, "\(validated)")

      // By a table of groups in the data's folder a stack can be two groups.
      try Data(
        ("name,group\n" + ["a", "b"].map { "\($0),1\n" }.joined()
          + (1...3).map { "c-000\($0),\($0)\n" }.joined()).utf8
      ).write(to: URL(fileURLWithPath: folder + "/data/groups.csv"))
      let grouped = try TrainingRunTests.train(
        folder, into: "grouped", Self.short + ["--folds", "3", "--fold", "1"])
      // The largest group, 1 with 7 pages, goes to the first fold; the others share the rest.
      #expect(try Self.split(grouped).folds?.map(\.count) == [7, 1, 1])
    }
  }

  /// A checkpoint of a version that knew no groups has no digest of its division, and its folder no file.
  @Test func aRunFromBeforeGroupsGoesOnWithItsDivision() throws {
    try withTemporaryFolder { folder in
      try TinyImages.stacks(folder + "/data")
      let trace = try TrainingRunTests.train(
        folder, Self.short + ["--validation-fraction", "0.2"])
      let path = trace.path + "/checkpoints/step-00000002.safetensors"
      var (checkpoint, file) = try Checkpoint.read(path)
      #expect(checkpoint.divisionDigest != nil)
      checkpoint.divisionDigest = nil
      let layout = UNet(checkpoint.network).layout
      let (parameters, momentum) = (
        FloatBuffer(count: layout.count), FloatBuffer(count: layout.count)
      )
      try Checkpoint.load(file, layout: layout, into: parameters)
      try Checkpoint.load(file, layout: layout, prefix: "optimizer.momentum.", into: momentum)
      try checkpoint.write(
        to: path, layout: layout, parameters: parameters, state: [("momentum", momentum)])
      try FileManager.default.removeItem(atPath: trace.path + "/split.json")
      let run = try ProgramRun.unetDist(
        ranks: 2, ["train", "--resume", "--output", trace.path, "--steps", "3"])
      #expect(run.succeeded, "\(run)")
      // round(0.2 x 9) samples, chosen one by one.
      #expect(try Self.validated(trace).count == 2)
    }
  }

  @Test func oneStackIsSaidToBeOneGroup() throws {
    try withTemporaryFolder { folder in
      for kind in ["images", "masks"] {
        try TinyImages.tiff("\(folder)/\(kind).tif", width: 24, height: 24, pageCount: 4) {
          x, y, _ in kind == "masks" ? x % 2 : x * 7 + y
        }
      }
      let arguments =
        [
          "train", "--images", folder + "/images.tif", "--masks", folder + "/masks.tif",
          "--output", folder + "/run",
        ] + TinyTraining.network + Self.short
      let run = try ProgramRun.unetDist(ranks: 2, arguments)
      #expect(run.succeeded, "\(run)")
      #expect(
        run.standardError.components(separatedBy: "all 4 images are one group").count == 2, "\(run)"
      )
      // By hand its slices can be divided.
      try Data(#"{"training": ["images-0001", "images-0002"], "validation": ["images-0004"]}"#.utf8)
        .write(to: URL(fileURLWithPath: folder + "/split.json"))
      let split = try ProgramRun.unetDist(
        ranks: 1,
        arguments.map { $0 == folder + "/run" ? folder + "/split" : $0 }
          + ["--split", folder + "/split.json"])
      #expect(split.succeeded, "\(split)")
      #expect(split.standardError.contains("1 of 4 samples are on neither side"), "\(split)")
      #expect(split.standardError.contains("2 images to train on, 1 to validate on"), "\(split)")
    }
  }

  @Test func tooManyFoldsAndMissingFilesAreOneErrorOnAnyRanks() throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data", count: 3)
      for ranks in [1, 2] {
        let run = try ProgramRun.unetDist(
          ranks: ranks,
          TinyTraining.arguments(
            data: folder + "/data", output: folder + "/run",
            Self.short + ["--folds", "4", "--fold", "1"]))
        run.expectOneError(naming: ["--folds", "at most 3", "found 4"])
        for (option, name) in [("--split", "none.json"), ("--groups", "none.csv")] {
          let missing = try ProgramRun.unetDist(
            ranks: ranks,
            TinyTraining.arguments(
              data: folder + "/data", output: folder + "/run",
              Self.short + [option, folder + "/" + name]))
          missing.expectOneError(naming: [folder + "/" + name])
        }
      }
    }
  }
}
