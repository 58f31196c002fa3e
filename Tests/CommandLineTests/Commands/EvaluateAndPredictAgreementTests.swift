// Ranks of `evaluate` and `predict` that were not given the same things.

import Foundation
import TestSupport
import Testing

/// `evaluate` or `predict` with the checkpoint `c.safetensors` of the working folder.
private func start(
  _ command: String, in folder: String, _ arguments: [String],
  environment: [String: String] = [:]
) -> RankStart {
  RankStart(
    arguments: [command, "--checkpoint", "c.safetensors", "--threads", "1"] + arguments,
    workingFolder: folder, environment: environment)
}

@Suite struct EvaluateAgreementTests {
  /// What rank 1 finds under the name of the checkpoint: one of a run with these options, or nothing.
  @Test(arguments: [["--seed", "2"], ["--classes", "4"], nil])
  func theRanksScoreTheCheckpointOfRank0(options: [String]?) throws {
    try withTemporaryFolder { folder in
      let data = folder + "/data"
      try TinyImages.squares(data, count: 3, side: 37)
      let folders = ["first", "second"].map { folder + "/" + $0 }
      for path in folders {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      }
      try TinyTraining.checkpoint(in: folders[0], name: "c.safetensors")
      if let options {
        let trace = try TrainingRunTests.train(folder, options + ["--steps", "5"])
        try FileManager.default.copyItem(
          atPath: URL(fileURLWithPath: trace.path + "/latest.safetensors")
            .resolvingSymlinksInPath().path,
          toPath: folders[1] + "/c.safetensors")
      }
      let arguments = ["--data", data, "--tile", "16", "--json"]
      let alone = try ProgramRun.unetDist(
        ranks: 1,
        ["evaluate", "--checkpoint", folders[0] + "/c.safetensors"] + arguments)
      #expect(alone.succeeded, "\(alone)")
      let run = try ProgramRun.unetDist(
        folder, differing: folders.map { start("evaluate", in: $0, arguments) })
      #expect(run.succeeded, "\(run)")
      #expect(run.standardOutput == alone.standardOutput, "\(run)")
    }
  }

  @Test func otherImages() throws {
    try withTemporaryFolder { folder in
      try TinyTraining.checkpoint(in: folder, name: "c.safetensors")
      try TinyImages.squares(folder + "/data", count: 4)
      try TinyImages.squares(folder + "/more", count: 5)
      try TinyImages.squares(folder + "/larger", count: 4, side: 25)
      for other in ["more", "larger"] {
        let run = try ProgramRun.unetDist(
          folder,
          differing: ["data", "data", other].map {
            start("evaluate", in: folder, ["--data", "\(folder)/\($0)", "--tile", "16"])
          })
        run.expectOneError(naming: ["the data set listing on rank 2 is not the one on rank 0"])
        #expect(!run.standardOutput.contains("IoU"), "\(run)")
      }
    }
  }

  @Test func otherOptionsAndCommands() throws {
    try withTemporaryFolder { folder in
      try TinyTraining.checkpoint(in: folder, name: "c.safetensors")
      try TinyTraining.checkpoint(in: folder, name: "other.safetensors")
      try TinyImages.squares(folder + "/data")
      let first = start("evaluate", in: folder, ["--data", folder + "/data", "--tile", "16"])
      for (option, second) in [
        ("--tile", start("evaluate", in: folder, ["--data", folder + "/data", "--tile", "32"])),
        ("--tile", start("evaluate", in: folder, ["--data", folder + "/data"])),
        (
          "--metrics",
          start(
            "evaluate", in: folder,
            ["--data", folder + "/data", "--tile", "16", "--metrics", "objects"])
        ),
        (
          "--checkpoint",
          RankStart(
            arguments: [
              "evaluate", "--checkpoint", folder + "/other.safetensors", "--data",
              folder + "/data", "--tile", "16",
            ])
        ),
        (
          "command",
          start("predict", in: folder, [folder + "/data/images", "--output", folder + "/out"])
        ),
        ("command", RankStart(arguments: ["train", "--output", folder + "/run"])),
      ] {
        let run = try ProgramRun.unetDist(folder, differing: [first, second])
        run.expectOneError(naming: ["the \(option) on rank 1 is not the one on rank 0"])
      }
      let names = Set(try FileManager.default.contentsOfDirectory(atPath: folder))
      #expect(names.isDisjoint(with: ["out", "run"]))
    }
  }

  @Test func otherMatrixKernels() throws {
    try withTemporaryFolder { folder in
      try TinyTraining.checkpoint(in: folder, name: "c.safetensors")
      try TinyImages.squares(folder + "/data")
      let run = try ProgramRun.unetDist(
        folder,
        differing: ["Haswell", "Nehalem"].map {
          start(
            "evaluate", in: folder, ["--data", folder + "/data"],
            environment: ["UNET_DIST_BLAS_KERNELS": $0])
        })
      run.expectOneError(naming: ["the choice of matrix kernels on rank 1"])
    }
  }
}

@Suite struct PredictAgreementTests {
  @Test func otherImagesAndOptions() throws {
    try withTemporaryFolder { folder in
      try TinyTraining.checkpoint(in: folder, name: "c.safetensors")
      try TinyImages.squares(folder + "/data")
      try TinyImages.squares(folder + "/same-names")
      let images = folder + "/data/images"
      let out = folder + "/out"
      let base = [images, "--output", out, "--mc-samples", "2"]
      for (name, second) in [
        ("list of images", [folder + "/same-names/images", "--output", out, "--mc-samples", "2"]),
        ("list of images", [images + "/cell-1.png", "--output", out, "--mc-samples", "2"]),
        ("--output", [images, "--output", folder + "/elsewhere", "--mc-samples", "2"]),
        ("--mc-samples", [images, "--output", out, "--mc-samples", "3"]),
        ("--seed", base + ["--seed", "7"]),
        ("--overlay", base + ["--overlay"]),
        ("--probabilities", base + ["--probabilities"]),
        ("--tile", base + ["--tile", "16"]),
      ] {
        let run = try ProgramRun.unetDist(
          folder,
          differing: [base, second].map { start("predict", in: folder, $0) })
        run.expectOneError(naming: ["the \(name) on rank 1 is not the one on rank 0"])
      }
      // The ranks agree before anything is made.
      let names = Set(try FileManager.default.contentsOfDirectory(atPath: folder))
      #expect(names.isDisjoint(with: ["out", "elsewhere"]))
    }
  }

  @Test func theRanksUseTheCheckpointOfRank0() throws {
    try withTemporaryFolder { folder in
      try TinyTraining.checkpoint(in: folder, name: "c.safetensors")
      try TinyImages.squares(folder + "/data", count: 3)
      let elsewhere = folder + "/without-checkpoint"
      try FileManager.default.createDirectory(
        atPath: elsewhere, withIntermediateDirectories: true)
      let run = try ProgramRun.unetDist(
        folder,
        differing: [folder, elsewhere].map {
          start("predict", in: $0, [folder + "/data/images", "--output", folder + "/out"])
        })
      #expect(run.succeeded, "\(run)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/out").count == 3)
    }
  }
}
