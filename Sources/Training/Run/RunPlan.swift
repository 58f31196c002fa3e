// The plan of a run of training: options, data, network, order and length, the same on all ranks.

import Checkpoints
import Communication
import Configuration
import Datasets
import Files
import Foundation
import Inference
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
  /// What the backward pass computes again on this rank.
  let recomputation: Recomputation
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
  /// The memory that this rank may take, as it was before any was.
  let memory: MemoryBudget
  /// What the cores of this host allow.
  let budget: ThreadBudget
  /// The threads of this rank.
  let team: ThreadTeam
  /// Where messages go.
  let logger: Logger

  /// Reads the data, resolves the options, and sees that memory suffices and all ranks agree.
  ///
  /// Collective. Whatever fails on one rank fails on all of them.
  ///
  /// - Parameter earlier: a plan for the same data, which is not read again, by this process.
  init(
    _ asked: TrainingConfiguration, display: RunDisplay, communicator: any Communicator,
    after earlier: RunPlan? = nil
  ) throws {
    let isFirst = communicator.rank == 0
    let before = try Self.configurationOfStart(asked, communicator)
    let asked = try before.map { try asked.resumed(from: $0) } ?? asked
    logger = Logger(label: "unet-dist") { _ in
      RunDisplayLogHandler(display: display, logLevel: isFirst ? asked.logLevel : .critical)
    }
    let budget = try earlier?.budget ?? ThreadBudget.measure(for: communicator)
    if let warning = budget.warning, communicator.localRank == 0, asked.threads == nil,
      earlier == nil
    {
      display.warn("host \(communicator.hostName): \(warning)")
    }
    self.budget = budget
    let team = earlier?.team ?? ThreadTeam(count: asked.threads ?? budget.threads)
    self.team = team
    if let warning = team.warning, earlier == nil {
      display.warn("rank \(communicator.rank): \(warning)")
    }
    // Before anything large is allocated, which is what the demand counts.
    let memory = earlier?.memory ?? MemoryBudget.measure(for: communicator)
    self.memory = memory
    let division = try Self.givenDivision(asked, communicator)
    var data =
      try earlier?.data
      ?? TrainingData.read(
        asked, division: division, Self.decoding(asked, display, communicator, team), on: team)
    if isFirst && earlier == nil { for remark in data.remarks { display.warn(remark) } }
    let loaded = try Self.loadedNetwork(asked, communicator)
    (configuration, network, recomputation) = try communicator.together {
      let planned = try asked.planned(for: data.summary, loading: loaded)
      let configuration = try Self.resolve(planned, data: data, ranks: communicator.size)
      let network = UNet(
        configuration.network(
          inputChannels: data.dataset.channels, classes: data.dataset.mapping.count))
      if configuration.patience != nil, data.validationIDs.isEmpty {
        throw ConfigurationError(
          option: "patience", expected: "images to validate on", found: "none",
          hint: "give --validation-data DIR or --split FILE")
      }
      let recomputation = try MemoryDemand.recomputation(
        configuration, network: network, data: data, threads: team.count, rank: communicator.rank,
        ranks: communicator.size, against: memory)
      return (configuration, network, recomputation)
    }
    data.usesInstances = configuration.weightMap == .unet || configuration.instanceBorders
    if configuration.weightMap == .unet && !data.dataset.isWeighted {
      let weights = Self.classWeights(configuration, data.dataset.mapping) ?? []
      try communicator.together { try data.weigh(by: WeightMap(classWeights: weights)) }
    }
    self.data = data
    try communicator.verifyEqualOnAllRanks(
      [
        NamedDigest(name: "configuration", text: configuration.digest(for: .ranks)),
        NamedDigest(name: "data set listing", digest: data.digest),
        NamedDigest(name: "division into training and validation", text: data.divisionDigest),
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
    // Of a run of epochs its steps are known only now.
    let (resolved, total) = (configuration, totalSteps)
    try communicator.together { try resolved.checkWarmup(totalSteps: total) }
    schedule = configuration.learningRateSchedule(totalSteps: totalSteps)
  }

  /// Whether the memory of a run of `asked` fits beside this one's.
  func fits(_ asked: TrainingConfiguration, rank: Int, ranks: Int) -> Bool {
    guard let planned = try? asked.planned(for: data.summary),
      let configuration = try? Self.resolve(planned, data: data, ranks: ranks)
    else { return false }
    func demand(_ configuration: TrainingConfiguration, _ recomputation: Recomputation) -> Int {
      let network = UNet(
        configuration.network(
          inputChannels: data.dataset.channels, classes: data.dataset.mapping.count))
      return MemoryDemand(
        configuration, network: network, data: data, threads: team.count, rank: rank, ranks: ranks,
        recomputation: recomputation
      ).byteCount
    }
    let most =
      switch configuration.recompute {
      case .auto: configuration.depth
      case .levels(let levels): levels
      }
    // The steps of both are there for a while.
    return demand(configuration, Recomputation(levels: most))
      + demand(self.configuration, recomputation) <= memory.byteCount
  }

  /// The loss that the options ask for.
  var loss: any SegmentationLoss {
    configuration.loss.loss(
      classWeights: Self.classWeights(configuration, data.dataset.mapping),
      isInMap: configuration.weightMap == .unet)
  }
}

// MARK: - What depends on the data

extension RunPlan {
  /// How the images are decoded: by the ranks of each host together, of which the first shows how far.
  private static func decoding(
    _ asked: TrainingConfiguration, _ display: RunDisplay, _ communicator: any Communicator,
    _ team: ThreadTeam
  ) -> Decoding {
    var decoding = Decoding(cache: asked.cache, crew: HostCrew(communicator), team: team)
    guard communicator.rank == 0 else { return decoding }
    decoding.progress = { display.show($0, of: $1, "images decoded") }
    decoding.note = { display.write($0) }
    return decoding
  }

  /// The network whose weights a run begins with, where its file tells; read on rank 0 for all.
  private static func loadedNetwork(
    _ asked: TrainingConfiguration, _ communicator: any Communicator
  ) throws -> UNetConfiguration? {
    guard let path = asked.load else { return nil }
    let shared = try communicator.fromFirstRank {
      let network = Checkpoint.network(of: try SafetensorsFile.read(try Checkpoint.file(at: path)))
      return try network.map { Array(try JSONEncoder().encode($0)) } ?? []
    }
    return shared.isEmpty
      ? nil : try JSONDecoder().decode(UNetConfiguration.self, from: Data(shared))
  }

  /// The division of a resumed run, or that of --split, where there is one; read on rank 0 for all.
  private static func givenDivision(
    _ asked: TrainingConfiguration, _ communicator: any Communicator
  ) throws -> GivenDivision? {
    let (path, text) = try communicator.together { () throws -> (String, [UInt8]) in
      guard communicator.rank == 0, asked.validationData == nil,
        let path = try divisionPath(asked)
      else { return ("", []) }
      return (path, try InputFile.contents(of: path, limit: SplitFile.sizeLimit))
    }
    let shared = try communicator.allgatherv(text)[0]
    let name = String(decoding: try communicator.allgatherv(Array(path.utf8))[0], as: UTF8.self)
    if name.isEmpty { return asked.resume == nil ? nil : try divisionOfOldRun(asked, communicator) }
    return .file(
      try communicator.together {
        try SplitFile(text: String(decoding: shared, as: UTF8.self), path: name)
      }, path: name)
  }

  /// The file that the division of a run is read from, or nil.
  private static func divisionPath(_ asked: TrainingConfiguration) throws -> String? {
    if let resume = asked.resume {
      var folders = [asked.output]
      if case .checkpoint(let path) = resume {
        let folder = URL(fileURLWithPath: path).resolvingSymlinksInPath()
          .deletingLastPathComponent().deletingLastPathComponent()
        folders.insert(folder.path, at: 0)
      }
      for folder in folders {
        let path = RunFolder.divisionPath(in: folder)
        if FileManager.default.fileExists(atPath: path) { return path }
      }
    }
    return asked.split
  }

  /// A run of a version that knew no groups divided samples one by one, and so it goes on.
  private static func divisionOfOldRun(
    _ asked: TrainingConfiguration, _ communicator: any Communicator
  ) throws -> GivenDivision? {
    let isOld = try communicator.together { () throws -> Bool in
      guard communicator.rank == 0 else { return false }
      let path: String
      if case .checkpoint(let given) = asked.resume {
        path = given
      } else if let newest = try RunFolder.newestCheckpoint(in: asked.output) {
        path = newest
      } else {
        return false
      }
      // What is wrong with the file is told when the run starts from it.
      guard let checkpoint = try? Checkpoint.read(path).checkpoint else { return false }
      return checkpoint.divisionDigest == nil
    }
    return try communicator.allReduceSum([isOld ? Int64(1) : 0]) == [0] ? nil : .ungrouped
  }

  /// The options of the run that a given checkpoint is of; read on rank 0 for all.
  private static func configurationOfStart(
    _ asked: TrainingConfiguration, _ communicator: any Communicator
  ) throws -> TrainingConfiguration? {
    guard case .checkpoint(let path) = asked.resume else { return nil }
    let shared = try communicator.fromFirstRank {
      Array(try Checkpoint.read(path).checkpoint.configuration.utf8)
    }
    // What this version does not understand of it is told when the checkpoint is read.
    return try? TrainingConfiguration(
      yaml: String(decoding: shared, as: UTF8.self), file: path)
  }

  /// Tiles drawn of each image in an epoch: about as many as cover the mean image.
  private static func tilesPerImage(_ data: TrainingData, tile: TileShape) -> Int {
    let side = Double(tile.outputSide)
    let pixels = Double(
      data.dataset.mapping.classes.reduce(data.dataset.mapping.ignoredPixelCount) {
        $0 + $1.pixelCount
      })
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
