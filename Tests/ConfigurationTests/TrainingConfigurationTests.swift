// Defaults, ranges and conflicts of a configuration.

import Communication
import Configuration
import Datasets
import Foundation
import Network
import Testing

@Suite struct TrainingConfigurationTests {
  @Test func defaultsAreValid() throws {
    try TrainingConfiguration().validate()
    #expect(try TrainingConfiguration(file: nil) == TrainingConfiguration())
  }

  @Test(arguments: [
    ("steps", "0"), ("steps", "many"), ("steps", "1.5"), ("epochs", "-1"), ("depth", "0"),
    ("depth", "9"), ("base-channels", "0"), ("input-channels", "0"), ("classes", "1"),
    ("classes", "256"), ("padding", "same"), ("upsampling", "cubic"), ("dropout", "1"),
    ("dropout", "-0.1"), ("dropout", "nan"), ("tile", "573"), ("tile", "0"), ("tile", "-572"),
    ("tile", "99999999999999999999"), ("global-batch", "0"), ("optimizer", "lbfgs"),
    ("learning-rate", "0"), ("learning-rate", "inf"), ("learning-rate", "nan"),
    ("momentum", "1"), ("momentum", "-1"), ("weight-decay", "-1"), ("weight-decay", "inf"),
    ("schedule", "step"), ("warmup-steps", "-1"), ("warmup-steps", "1000"), ("clip-norm", "-1"),
    ("clip-norm", "nan"), ("loss", "hinge"), ("class-weights", "0,0"), ("class-weights", "1,-1"),
    ("class-weights", "1"),
    ("class-weights", "1,,2"), ("class-weights", "1,inf"), ("class-weights", ""),
    ("augment", "blurr"), ("augment", "flip,flip"), ("validation-fraction", "1"),
    ("validation-fraction", "-0.1"), ("evaluate-every", "-1"), ("checkpoint-every", "-1"),
    ("keep", "0"), ("threads", "0"), ("seed", "-1"), ("check-replicas", "-1"),
    ("log-level", "loud"), ("reduction", "ring"), ("overlap", "yes"), ("compression", "fp16"),
    ("accumulate", "0"), ("shard-optimizer", "yes"),
    ("bucket-kib", "0"), ("bucket-kib", "24"), ("bucket-kib", "2097152"), ("data", ""),
    ("output", ""), ("ignore", "blue"), ("ignore", "1:2"), ("ignore", "4294967296"),
    ("patience", "0"),
    ("foreground-tiles", "1.1"), ("foreground-tiles", "-1"), ("minutes", "0"),
    ("minutes", "inf"), ("minutes", "1e16"), ("normalization", "layer"),
    ("stall-timeout", "-1"), ("stall-timeout", "soon"), ("log-every", "-1"),
    ("recompute", "-1"), ("recompute", "65"), ("recompute", "some"),
  ])
  func wrongValueNamesItsOption(name: String, value: String) throws {
    let error = try #require(throws: ConfigurationError.self) {
      try TrainingConfiguration(file: nil, flags: [name: value])
    }
    #expect(error.option == name)
    #expect(error.origin == nil)
    #expect(error.description.hasPrefix("--\(name): expected "))
    #expect(!error.found.isEmpty)
  }

  @Test(arguments: [
    ["data": "d", "images": "i", "masks": "m"], ["data": "d", "masks": "m"],
    ["steps": "3", "epochs": "2"], ["steps": "3", "minutes": "2"], ["epochs": "3", "minutes": "2"],
    ["global-batch": "3", "accumulate": "2"],
    ["validation-fraction": "0.2", "validation-data": "v"],
    ["validation-fraction": "0.2", "folds": "5", "fold": "1"],
    ["validation-data": "v", "folds": "5", "fold": "1"], ["split": "s", "folds": "5", "fold": "1"],
    ["split": "s", "validation-fraction": "0.2"], ["split": "s", "validation-data": "v"],
    ["groups": "g", "validation-data": "v"],
    ["resume": "", "load": "l"],
  ])
  func alternativesExcludeEachOther(flags: [String: String]) throws {
    let error = try #require(throws: ConfigurationError.self) {
      try TrainingConfiguration(file: nil, flags: flags)
    }
    #expect(error.expected.contains("not to stand together"))
    #expect(flags.keys.contains(error.option ?? ""))
  }

  @Test func foldsNeedANumber() throws {
    for (flags, option) in [
      (["folds": "5"], "fold"), (["fold": "2"], "folds"), (["folds": "5", "fold": "6"], "fold"),
      (["folds": "5", "fold": "0"], "fold"), (["folds": "1", "fold": "1"], "folds"),
    ] {
      let error = try #require(throws: ConfigurationError.self) {
        try TrainingConfiguration(file: nil, flags: flags)
      }
      #expect(error.option == option, "\(flags)")
    }
    // With them there is no share for validation, and a file of options says so again.
    for flags in [
      ["folds": "5", "fold": "5"], ["split": "s.json"], ["split": "s.json", "fold": "2"],
    ] {
      let configuration = try TrainingConfiguration(file: nil, flags: flags)
      #expect(configuration.validationFraction == 0)
      #expect(try TrainingConfiguration(yaml: configuration.yaml()) == configuration)
      let other = try TrainingConfiguration(file: nil, flags: ["seed": "0"])
      #expect(configuration.digest(for: .resume) != other.digest(for: .resume))
    }
    // A flag displaces the other way of the file, with its fold.
    let displaced = try TrainingConfiguration(
      yaml: "folds: 5\nfold: 2\n", flags: ["validation-fraction": "0.2"])
    #expect(displaced.folds == nil && displaced.fold == nil && displaced.validationFraction == 0.2)
  }

  @Test func imagesAndMasksNeedEachOther() throws {
    let noMasks = try #require(throws: ConfigurationError.self) {
      try TrainingConfiguration(file: nil, flags: ["images": "i"])
    }
    #expect(noMasks.option == "masks")
    let noImages = try #require(throws: ConfigurationError.self) {
      try TrainingConfiguration(file: nil, flags: ["masks": "m"])
    }
    #expect(noImages.option == "images")
  }

  @Test func aRunNeedsALength() throws {
    var configuration = TrainingConfiguration()
    configuration.steps = nil
    let error = try #require(throws: ConfigurationError.self) { try configuration.validate() }
    #expect(error.option == "steps")
  }

  @Test func overlapAnswersToItsFormerName() throws {
    for name in ["poll", "test"] {
      #expect(try TrainingConfiguration(file: nil, flags: ["overlap": name]).overlap == .poll)
    }
    #expect(try TrainingConfiguration(yaml: "overlap: test").yaml().contains("overlap: poll"))
  }

  @Test func classWeightsMatchTheClasses() throws {
    let flags = ["class-weights": "1,2,3"]
    let configuration = try TrainingConfiguration(file: nil, flags: flags)
    #expect(configuration.classWeights == .values([1, 2, 3]))
    _ = try configuration.resolved(inputChannels: 1, classes: 3, ranks: 1)
    let error = try #require(throws: ConfigurationError.self) {
      try configuration.resolved(inputChannels: 1, classes: 2, ranks: 1)
    }
    #expect(error.option == "class-weights")
  }

  @Test func illegalTileNamesItsNeighbours() throws {
    let error = try #require(throws: ConfigurationError.self) {
      try TrainingConfiguration(file: nil, flags: ["tile": "570"])
    }
    #expect(error.hint == "the nearest are 556 and 572")
    let small = try #require(throws: ConfigurationError.self) {
      try TrainingConfiguration(file: nil, flags: ["tile": "1"])
    }
    #expect(small.hint == "the nearest are 188")
  }

  @Test(arguments: 1...8, Padding.allCases)
  func defaultTileIsLegal(depth: Int, padding: Padding) throws {
    let flags = ["depth": "\(depth)", "padding": padding.rawValue]
    let tile = try TrainingConfiguration(file: nil, flags: flags).tile
    if depth == 4 { #expect(tile == (padding == .valid ? 572 : 512)) }
  }

  @Test func defaultsFollowOtherOptions() throws {
    let adam = try TrainingConfiguration(file: nil, flags: ["optimizer": "adam"])
    #expect(adam.learningRate == 0.0003)
    let rated = try TrainingConfiguration(
      file: nil, flags: ["optimizer": "adam", "learning-rate": "1e-2"])
    #expect(rated.learningRate == 0.01)
    let validated = try TrainingConfiguration(file: nil, flags: ["validation-data": "v"])
    #expect(validated.validationFraction == 0)
    let epochs = try TrainingConfiguration(file: nil, flags: ["epochs": "2"])
    #expect(epochs.steps == nil)
    #expect(epochs.totalSteps(stepsPerEpoch: 30) == 60)
    #expect(epochs.totalSteps(stepsPerEpoch: Int.max) == Int.max)
  }

  @Test func unknownFlagIsAnError() throws {
    let error = try #require(throws: ConfigurationError.self) {
      try TrainingConfiguration(file: nil, flags: ["tiles": "572"])
    }
    #expect(error.hint == "did you mean tile?")
  }

  @Test func resolvingFillsWhatIsOpen() throws {
    let open = TrainingConfiguration()
    let resolved = try open.resolved(inputChannels: 3, classes: 4, ranks: 8)
    #expect(resolved.inputChannels == 3)
    #expect(resolved.classes == 4)
    #expect(resolved.globalBatch == 8)
    // Another machine may resume the run.
    #expect(resolved.threads == nil)
    #expect(try resolved.resolved(inputChannels: 1, classes: 2, ranks: 1) == resolved)
    #expect(resolved.network(inputChannels: 1, classes: 2).classes == 4)
  }

  @Test func codingKeepsEverything() throws {
    var configuration = TrainingConfiguration()
    configuration.classWeights = .values([0.1, 1.9])
    configuration.resume = .checkpoint("x")
    let data = try JSONEncoder().encode(configuration)
    #expect(try JSONDecoder().decode(TrainingConfiguration.self, from: data) == configuration)
  }

  @Test func aClassMayHaveNoWeight() throws {
    let configuration = try TrainingConfiguration(file: nil, flags: ["class-weights": "0,1,2.5"])
    #expect(configuration.classWeights == .values([0, 1, 2.5]))
  }

  @Test(arguments: ["255", "0", "65535", "255:0:0"]) func ignoredValuesAreWrittenAsGiven(
    _ text: String
  ) throws {
    let configuration = try TrainingConfiguration(file: nil, flags: ["ignore": text])
    let again = try TrainingConfiguration(yaml: configuration.yaml())
    #expect(again.ignore == configuration.ignore && configuration.ignore?.text == text)
  }

  @Test func patienceNeedsEvaluations() throws {
    for flags in [["validation-fraction": "0"], ["evaluate-every": "0"]] {
      let error = try #require(throws: ConfigurationError.self) {
        try TrainingConfiguration(
          file: nil, flags: flags.merging(["patience": "3"]) { first, _ in first })
      }
      #expect(error.option == "patience")
    }
  }

  @Test func aRunThatGoesOnHasNoMinutes() throws {
    let error = try #require(throws: ConfigurationError.self) {
      try TrainingConfiguration(file: nil, flags: ["resume": "", "minutes": "3"])
    }
    #expect(error.option == "minutes")
  }
}
