// Plans from data: what is chosen, what was given by hand, and that nothing else decides.

import Configuration
import Datasets
import Kernels
import Network
import Testing

@Suite struct AutomaticPlanTests {
  private static func summary(
    side: Int = 256, images: Int = 20, channels: Int = 1, shares: [Double] = [0.75, 0.25],
    objects: Int? = nil
  ) -> DataSummary {
    DataSummary(
      images: images, smallestSide: side, pixels: images * side * side, channels: channels,
      shares: shares, objectDiameter: objects)
  }

  private static func planned(
    _ data: DataSummary, _ flags: [String: String] = [:]
  ) throws -> TrainingConfiguration {
    try TrainingConfiguration(file: nil, flags: flags).planned(for: data)
  }

  @Test(arguments: [8, 30, 97, 191, 192, 200, 256, 520, 4_000])
  func tilesAreLegalAndWithinTheImages(_ side: Int) throws {
    let plan = try Self.planned(Self.summary(side: side))
    let network = plan.network(inputChannels: 1, classes: 2)
    #expect(network.outputSide(tile: plan.tile) != nil)
    #expect(plan.tile <= max(side, 8) && plan.tile <= 192)
    #expect(plan.depth == (side >= 192 ? 4 : 3))
    _ = try plan.resolved(inputChannels: 1, classes: 2, ranks: 3)
  }

  /// Three objects side by side, up to 288 pixels, in batches of as many pixels.
  @Test(arguments: [
    (nil, 512, 192, 4), (20, 512, 192, 4), (64, 512, 192, 4), (78, 512, 224, 3),
    (107, 1_024, 288, 2), (300, 1_024, 288, 2), (107, 256, 256, 2),
  ])
  func tilesShowAFewObjects(_ objects: Int?, side: Int, tile: Int, batch: Int) throws {
    let plan = try Self.planned(Self.summary(side: side, objects: objects))
    #expect((plan.tile, plan.globalBatch) == (tile, batch))
    let given = try Self.planned(Self.summary(side: side, objects: objects), ["tile": "208"])
    #expect((given.tile, given.globalBatch) == (208, 4))
  }

  @Test func rareClassesHaveTilesOfTheirOwn() throws {
    let plain = try Self.planned(Self.summary())
    #expect(plain.foregroundTiles == 0 && plain.classWeights == .none)
    // 1 / sqrt is 2, 1.25 and 5, of which the mean is 2.75.
    let rare = try Self.planned(Self.summary(shares: [0.25, 0.64, 0.04]))
    #expect(rare.foregroundTiles == 0 && rare.classWeights == .values([0.7273, 0.4545, 1.818]))
    #expect(rare.provenance.reasons["class-weights"]?.contains("4 % of the pixels") == true)
    let missed = try Self.planned(Self.summary(shares: [0.9996, 0.0004]))
    #expect(missed.foregroundTiles == 0.33)
    // Classes that the masks do not have weigh 1.
    let wider = try Self.planned(Self.summary(shares: [0.25, 0.64, 0.04]), ["classes": "5"])
    #expect(wider.classWeights == .values([0.7273, 0.4545, 1.818, 1, 1]))
    // A class that does not occur asks for nothing.
    #expect(try Self.planned(Self.summary(shares: [0.5, 0.5, 0])).classWeights == .none)
    let given = try Self.planned(
      Self.summary(shares: [0.9996, 0.0004]),
      ["foreground-tiles": "0.1", "class-weights": "balanced"])
    #expect(given.foregroundTiles == 0.1 && given.classWeights == .balanced)
  }

  /// 316 is legal without padding only, 320 with padding only at this depth.
  @Test func aGivenTileDecidesThePadding() throws {
    #expect(try Self.planned(Self.summary(), ["tile": "316"]).padding == .valid)
    #expect(try Self.planned(Self.summary(), ["tile": "320"]).padding == .mirror)
    #expect(try Self.planned(Self.summary(), ["tile": "320", "padding": "zero"]).padding == .zero)
    #expect(throws: ConfigurationError.self) { try Self.planned(Self.summary(), ["tile": "573"]) }
  }

  @Test func longerForMoreImages() throws {
    let steps = try [1, 20, 80, 500, 100_000].map {
      try #require(try Self.planned(Self.summary(images: $0)).steps)
    }
    #expect(steps == steps.sorted() && steps.first == 1_500 && steps.last == 6_000)
  }

  @Test func whatIsGivenByHandStays() throws {
    let flags = [
      "optimizer": "sgd", "learning-rate": "0.01", "tile": "64", "epochs": "3", "ema": "0",
      "augment": "none", "base-channels": "8", "depth": "2", "padding": "zero", "loss": "focal",
      "accumulate": "2",
    ]
    let plan = try Self.planned(Self.summary(), flags)
    let plain = try TrainingConfiguration(file: nil, flags: flags)
    for option in flags.keys {
      let row = try #require(TrainingOption.named(option))
      #expect(row.text(plan) == row.text(plain), "\(option)")
      #expect(plan.provenance.reasons[option] == nil, "\(option)")
    }
    #expect(plan.steps == nil && plan.globalBatch == nil)
    #expect(plan.schedule == .cosine && plan.provenance.reasons["schedule"] != nil)
    // A rate that suits adam is not for sgd.
    let sgd = try Self.planned(Self.summary(), ["optimizer": "sgd"])
    #expect(sgd.learningRate == 0.0003)
  }

  @Test func everyChoiceHasAReasonInTheFile() throws {
    let plan = try Self.planned(Self.summary())
    let text = plan.yaml()
    #expect(plan.provenance.reasons.count >= 14)
    for (option, reason) in plan.provenance.reasons {
      #expect(text.contains("#   \(option): \(reason)"))
      #expect(!reason.contains("\n"))
    }
    #expect(try TrainingConfiguration(yaml: text) == plan)
  }

  /// Also of a run that goes on, and of one that begins with the file of another.
  @Test func whatWasGivenIsToldFromDefaultsAndChoices() throws {
    func reasons(_ configuration: TrainingConfiguration) -> [String?] {
      ["optimizer", "tile", "seed"].map { name in
        TrainingOption.named(name).flatMap { configuration.reason(for: $0) }
      }
    }
    let plan = try Self.planned(Self.summary(), ["optimizer": "sgd"])
    let first = reasons(plan)
    #expect(first[0] == "given" && first[1] == plan.provenance.reasons["tile"] && first[2] == nil)
    #expect(first[1] != nil)
    #expect(try reasons(TrainingConfiguration(yaml: plan.yaml())) == first)
    let other = try TrainingConfiguration(
      yaml: plan.yaml(), flags: ["tile": "\(plan.tile)", "seed": "3"])
    #expect(reasons(other) == ["given", "given", "given"])
    let resumed = try TrainingConfiguration(file: nil, flags: ["resume": "a"])
      .resumed(from: TrainingConfiguration(yaml: plan.yaml()))
    #expect(reasons(resumed) == first)
    // By hand all are given.
    #expect(try reasons(TrainingConfiguration(yaml: "seed: 4")) == [nil, nil, "given"])
  }

  /// A run that goes on has chosen before; a file of a run has all options, so that nothing is left.
  @Test func aResumedRunIsNotPlannedAgain() throws {
    let resumed = try TrainingConfiguration(file: nil, flags: ["resume": "a.safetensors"])
    #expect(try resumed.planned(for: Self.summary()) == resumed)
    let plan = try Self.planned(Self.summary())
    let again = try TrainingConfiguration(yaml: plan.yaml())
    #expect(try again.planned(for: Self.summary(side: 900, images: 3)) == plan)
  }

  @Test func thePaperHasItsAugmentation() throws {
    let paper = try Self.planned(Self.summary(), ["preset": "paper"])
    #expect((paper.tile, paper.baseChannels, paper.optimizer) == (572, 64, .sgd))
    #expect(paper.augment.map(\.kind) == [.shift, .rotate, .elastic, .brightness])
    #expect(paper.padding == .valid && paper.loss == .crossEntropy && paper.ema == 0)
    #expect(paper.weightMap == .unet && paper.classWeights == .balanced && paper.globalBatch == 1)
    let accumulated = try Self.planned(Self.summary(), ["preset": "paper", "accumulate": "2"])
    #expect(accumulated.globalBatch == nil)
    // Weights that are loaded decide the network for every preset.
    let loaded = UNetConfiguration(
      inputChannels: 1, classes: 2, baseChannels: 12, depth: 2, padding: .zero)
    let fineTuned = try TrainingConfiguration(
      file: nil, flags: ["preset": "paper", "tile": "64", "load": "a"]
    )
    .planned(for: Self.summary(), loading: loaded)
    #expect((fineTuned.baseChannels, fineTuned.depth, fineTuned.padding) == (12, 2, .zero))
  }

  /// Minutes become steps, and a wider network where there is time, and what was chosen is recorded.
  @Test func minutesBecomeStepsAndChannels() throws {
    let asked = try TrainingConfiguration(file: nil, flags: ["minutes": "15"])
    #expect(asked.steps == nil)
    let first = try asked.withoutMinutes.planned(for: Self.summary())
    #expect(first.steps == 1_500 && first.minutes == nil && first.baseChannels == 16)
    let wider = try #require(asked.withoutMinutes.widened(from: first))
    let second = try wider.planned(for: Self.summary())
    #expect(second.baseChannels == 32 && second.provenance.reasons["base-channels"] != nil)
    let third = try #require(wider.widened(from: second))
    #expect(third.baseChannels == 64 && third.widened(from: third) == nil)

    let final = try wider.lasting(steps: 4_321, reason: "15 minutes").planned(for: Self.summary())
    #expect(final.steps == 4_321 && final.baseChannels == 32 && final.evaluateEvery == 432)
    #expect(final.provenance.reasons["steps"] == "15 minutes")
    // What is written can be run again as it is.
    let again = try TrainingConfiguration(
      yaml: try final.resolved(inputChannels: 1, classes: 2, ranks: 1).yaml())
    #expect(again.steps == 4_321 && again.minutes == nil && again.baseChannels == 32)
  }

  @Test func aWidthThatIsGivenOrLoadedStays() throws {
    for flags in [
      ["minutes": "15", "base-channels": "8"], ["minutes": "15", "load": "weights"],
      ["minutes": "15", "preset": "paper"],
    ] {
      let asked = try TrainingConfiguration(file: nil, flags: flags)
      #expect(asked.widened(from: asked) == nil, "\(flags)")
    }
  }
}
