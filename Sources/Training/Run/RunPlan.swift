// The plan of a run of training: options, data, network, order and length, the same on all ranks.

import Checkpoints
import Communication
import Configuration
import Datasets
import Kernels
import Logging
import Network
import Threading

/// A run of training with nothing left open, before any of its memory is allocated.
struct RunPlan {
  /// The options, resolved against the data.
  let configuration: TrainingConfiguration
  /// The images.
  let data: TrainingData
  /// The network.
  let network: UNet
  /// A training tile.
  let tile: TileShape
  /// Samples of a step over all ranks.
  let globalBatch: Int
  /// Which samples stand where in which batch.
  let sampler: ShardedSampler
  /// The steps of the whole run.
  let totalSteps: Int
  /// The learning rate of each.
  let schedule: LearningRateSchedule
  /// What the cores of this host allow.
  let budget: ThreadBudget
  /// The threads of this rank.
  let team: ThreadTeam
  /// Where messages go.
  let logger: Logger

  /// Reads the data, resolves the options, and sees that memory suffices and all ranks agree.
  ///
  /// Collective. Whatever fails on one rank fails on all of them.
  init(
    _ asked: TrainingConfiguration, display: RunDisplay, communicator: any Communicator
  ) throws {
    let isFirst = communicator.rank == 0
    logger = Logger(label: "unet-dist") { _ in
      RunDisplayLogHandler(display: display, logLevel: isFirst ? asked.logLevel : .critical)
    }
    let budget = try ThreadBudget.measure(for: communicator)
    if let warning = budget.warning, communicator.localRank == 0, asked.threads == nil {
      display.warn("host \(communicator.hostName): \(warning)")
    }
    self.budget = budget
    let team = ThreadTeam(count: asked.threads ?? budget.threads)
    self.team = team
    if let warning = team.warning { display.warn("rank \(communicator.rank): \(warning)") }
    // Before anything large is allocated, which is what the demand counts.
    let memory = MemoryBudget.measure(for: communicator)
    let data = try communicator.together {
      try TrainingData(asked, byteBudget: memory.byteCount / 2, on: team)
    }
    self.data = data
    (configuration, network) = try communicator.together {
      let planned = try asked.planned(for: data.summary)
      let configuration = try Self.resolve(planned, data: data, ranks: communicator.size)
      let network = UNet(
        configuration.network(
          inputChannels: data.dataset.channels, classes: data.dataset.mapping.count))
      try MemoryDemand.check(
        configuration, network: network, data: data, threads: team.count, rank: communicator.rank,
        ranks: communicator.size, against: memory)
      return (configuration, network)
    }
    try communicator.verifyEqualOnAllRanks(
      [
        NamedDigest(name: "configuration", text: configuration.digest(for: .ranks)),
        NamedDigest(name: "data set listing", digest: data.digest),
        NamedDigest(network.layout),
      ] + NamedDigest.arithmetic())

    guard let outputSide = network.configuration.outputSide(tile: configuration.tile) else {
      preconditionFailure("the configuration was checked, and its tile is legal")
    }
    let tile = TileShape(inputSide: configuration.tile, outputSide: outputSide)
    self.tile = tile
    let globalBatch = configuration.globalBatch ?? communicator.size
    self.globalBatch = globalBatch
    let seed = configuration.seed
    sampler = try communicator.together {
      try ShardedSampler(
        samples: data.trainingIDs, globalBatch: globalBatch,
        tilesPerImage: Self.tilesPerImage(data, tile: tile), seed: seed)
    }
    totalSteps = configuration.totalSteps(stepsPerEpoch: sampler.stepsPerEpoch)
    schedule = configuration.learningRateSchedule(totalSteps: totalSteps)
  }

  /// The loss that the options ask for.
  var loss: any SegmentationLoss {
    configuration.loss.loss(classWeights: Self.classWeights(configuration, data.dataset.mapping))
  }
}

// MARK: - What depends on the data

extension RunPlan {
  /// Tiles drawn of each image in an epoch: about as many as cover the mean image.
  private static func tilesPerImage(_ data: TrainingData, tile: TileShape) -> Int {
    let side = Double(tile.outputSide)
    let pixels = Double(data.dataset.mapping.classes.reduce(0) { $0 + $1.pixelCount })
    let mean = pixels / Double(max(1, data.dataset.count))
    return max(1, Int((mean / (side * side)).rounded()))
  }

  /// The configuration with nothing left open, checked against the data.
  private static func resolve(
    _ asked: TrainingConfiguration, data: TrainingData, ranks: Int
  ) throws -> TrainingConfiguration {
    let classes = data.dataset.mapping.count
    if let wanted = asked.classes, wanted < classes {
      throw ConfigurationError(
        option: "classes", expected: "at least the \(classes) classes of the masks",
        found: "\(wanted)", hint: "leave it out to follow the masks")
    }
    if let wanted = asked.inputChannels, wanted != data.dataset.channels {
      throw ConfigurationError(
        option: "input-channels", expected: "\(data.dataset.channels), as the images have",
        found: "\(wanted)", hint: "leave it out to follow the images")
    }
    return try asked.resolved(
      inputChannels: data.dataset.channels, classes: max(2, classes), ranks: ranks)
  }

  /// The factor of each class in the loss, or nil where all are 1.
  private static func classWeights(
    _ configuration: TrainingConfiguration, _ mapping: ClassMapping
  ) -> [Float]? {
    switch configuration.classWeights {
    case .none: return nil
    case .values(let values): return values.map { Float($0) }
    case .balanced:
      let inverse = mapping.shares.map { $0 > 0 ? 1 / $0 : 0 }
      let mean = inverse.reduce(0, +) / Double(inverse.count)
      let weights = inverse.map { Float($0 / mean) }
      let missing = (configuration.classes ?? weights.count) - weights.count
      return weights + [Float](repeating: 1, count: max(0, missing))
    }
  }
}
