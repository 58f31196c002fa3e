// The flags of `train` against the table of options.

import ArgumentParser
import Configuration
import Foundation
import Testing
import unet_dist

@Suite struct TrainOptionsTests {
  @Test func everyOptionOfTheTableIsAFlag() throws {
    let help = TrainOptions.helpMessage(columns: 200)
    for option in TrainingOption.all {
      #expect(help.contains("--\(option.name) "), "\(option.name)")
    }
  }

  @Test func everyFlagReachesItsOption() throws {
    // One valid value for each, other than the default, of options that may stand together.
    let values = [
      "preset": "paper", "layout": "ctc", "cache": "c", "intensities": "set",
      "no-data": "7", "images": "i", "masks": "m", "output": "o", "input-channels": "3",
      "classes": "5",
      "base-channels": "8", "depth": "2", "padding": "mirror", "upsampling": "transposed",
      "dropout": "0.25", "tile": "64", "epochs": "7", "global-batch": "6", "optimizer": "adamw",
      "learning-rate": "0.5", "momentum": "0.5", "nesterov": "true", "ema": "0.9",
      "weight-decay": "0.1", "schedule": "poly",
      "warmup-steps": "9", "clip-norm": "2", "loss": "cross-entropy", "weight-map": "unet",
      "class-weights": "1,2,3,4,5", "augment": "flip", "split": "s.json", "fold": "2",
      "groups": "g.csv",
      "instance-borders": "true", "normalization": "group", "ignore": "9", "patience": "4",
      "foreground-tiles": "0.5",
      "evaluate-every": "11", "checkpoint-every": "12", "keep": "13", "resume": "r",
      "step-state": "off", "step-state-every": "3", "max-restarts": "5",
      "reduction": "tree", "compression": "bf16", "overlap": "poll", "shard-optimizer": "true",
      "timeline": "t.json", "tensorboard": "tb", "bucket-kib": "1024", "threads": "2", "seed": "14",
      "check-replicas": "15", "heal": "true", "stall-timeout": "90", "resume-or-start": "true",
      "log-samples": "true",
      "log-every": "50", "log-level": "debug", "recompute": "2",
    ]
    let arguments = values.flatMap { ["--\($0.key)", $0.value] }
    let fromFlags = try TrainOptions.parse(arguments).configuration()
    let fromTable = try TrainingConfiguration(file: nil, flags: values)
    #expect(fromFlags == fromTable)
    let alternatives = [
      "data", "steps", "minutes", "accumulate", "validation-fraction", "validation-data", "folds",
      "load",
    ]
    #expect(Set(values.keys).union(alternatives) == Set(TrainingOption.all.map(\.name)))
    let others = try TrainOptions.parse([
      "--data", "d", "--steps", "3", "--accumulate", "4", "--validation-fraction", "0.5", "--load",
      "l",
    ]).configuration()
    #expect(others.data == "d")
    #expect(others.steps == 3)
    #expect(others.accumulate == 4)
    #expect(others.validationFraction == 0.5)
    #expect(others.load == "l")
    #expect(
      try TrainOptions.parse(["--validation-data", "v"]).configuration().validationData == "v")
    #expect(try TrainOptions.parse(["--minutes", "2.5"]).configuration().minutes == 2.5)
    #expect(try TrainOptions.parse(["--folds", "3", "--fold", "1"]).configuration().folds == 3)
  }

  @Test func resumeMayStandWithoutAPath() throws {
    #expect(try TrainOptions.parse(["--resume"]).configuration().resume == .newest)
    let followed = try TrainOptions.parse(["--resume", "--seed", "3"]).configuration()
    #expect(followed.resume == .newest)
    #expect(followed.seed == 3)
    let path = try TrainOptions.parse(["--resume", "a.safetensors"]).configuration()
    #expect(path.resume == .checkpoint("a.safetensors"))
  }

  @Test func tensorboardMayStandWithoutAFolder() throws {
    func folder(_ arguments: [String]) throws -> String? {
      try TrainOptions.parse(arguments).configuration().tensorboard.path(output: "run")
    }
    #expect(try folder([]) == nil)
    #expect(try folder(["--tensorboard"]) == "run/tensorboard")
    #expect(try folder(["--tensorboard", "--seed", "3"]) == "run/tensorboard")
    #expect(try folder(["--tensorboard", "events"]) == "events")
    #expect(try folder(["--tensorboard", "false"]) == nil)
  }

  @Test func flagsWinOverTheFile() throws {
    let path = NSTemporaryDirectory() + "unet-dist-\(UUID().uuidString).yaml"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data("seed: 3\nkeep: 4\n".utf8).write(to: URL(fileURLWithPath: path))
    let configuration = try TrainOptions.parse(["--config", path, "--seed", "9"]).configuration()
    #expect(configuration.seed == 9)
    #expect(configuration.keep == 4)
  }
}
