// A run of training on all ranks, from the first step to the last.

import Checkpoints
import Communication
import Configuration
import Datasets
import Foundation
import Inference
import Kernels
import Logging
import Network
import Tensors
import Threading

/// Trains a network as a configuration says; every rank runs one.
///
/// Every rank holds a replica and its share of each batch. Rank 0 alone writes: the run's folder,
/// its log, its checkpoints, and the terminal.
package final class Trainer {
  private let configuration: TrainingConfiguration
  private let communicator: any Communicator
  private let data: TrainingData
  private let step: TrainingStep
  private let replicas: ReplicaCheck
  private let state: ShardedState
  private let predictor: TiledPredictor
  private let sampler: ShardedSampler
  private let schedule: LearningRateSchedule
  private let totalSteps: Int
  private let tile: TileShape
  private let threads: Int
  private let output: RunOutput?
  private let logger: Logger
  private var updates: Int
  private var best: Checkpoint.BestScore?

  /// Prepares a run: reads the data, joins the ranks on one start, opens the run's folder.
  ///
  /// Collective. Whatever fails on one rank fails on all of them.
  package init(_ asked: TrainingConfiguration, communicator: any Communicator) throws {
    self.communicator = communicator
    let isFirst = communicator.rank == 0
    let display = RunDisplay()
    let logger = Logger(label: "unet-dist") { _ in
      RunDisplayLogHandler(display: display, logLevel: isFirst ? asked.logLevel : .critical)
    }
    let budget = try ThreadBudget.measure(for: communicator)
    if let warning = budget.warning, communicator.localRank == 0, asked.threads == nil {
      display.write("warning: host \(communicator.hostName): \(warning)")
    }
    self.logger = logger

    threads = asked.threads ?? budget.threads
    let team = ThreadTeam(count: threads)
    // Before anything large is allocated, which is what the demand counts.
    let memory = MemoryBudget.measure(for: communicator)
    let data = try communicator.together {
      try TrainingData(asked, byteBudget: memory.byteCount / 2, on: team)
    }
    self.data = data
    let (rank, ranks) = (communicator.rank, communicator.size)
    let configuration = try communicator.together { [threads] in
      let configuration = try Self.resolve(asked, data: data, ranks: ranks)
      try MemoryDemand.check(
        configuration, network: UNet(Self.architecture(configuration, data)), data: data,
        threads: threads, rank: rank, ranks: ranks, against: memory)
      return configuration
    }
    self.configuration = configuration
    let network = UNet(Self.architecture(configuration, data))
    try communicator.verifyEqualOnAllRanks(
      [
        NamedDigest(name: "configuration", text: configuration.digest(for: .ranks)),
        NamedDigest(name: "data set listing", digest: data.digest),
        NamedDigest(network.layout),
      ] + NamedDigest.arithmetic())

    // Once all ranks agree on the run, and before its memory is allocated.
    let output = try communicator.together {
      try isFirst ? RunOutput(configuration, display: display) : nil
    }
    self.output = output

    let globalBatch = configuration.globalBatch ?? communicator.size
    guard let outputSide = network.configuration.outputSide(tile: configuration.tile) else {
      preconditionFailure("the configuration was checked, and its tile is legal")
    }
    let tile = TileShape(inputSide: configuration.tile, outputSide: outputSide)
    self.tile = tile
    sampler = try communicator.together {
      try ShardedSampler(
        samples: data.trainingIDs, globalBatch: globalBatch,
        tilesPerImage: Self.tilesPerImage(data, tile: tile), seed: configuration.seed)
    }
    totalSteps = configuration.totalSteps(stepsPerEpoch: sampler.stepsPerEpoch)
    schedule = configuration.learningRateSchedule(totalSteps: totalSteps)

    let reducer = GradientReducer(
      communicator: communicator,
      buckets: GradientBuckets(
        elementCount: network.layout.count, byteCount: configuration.bucketKiB << 10),
      reduction: configuration.reduction, compression: configuration.compression,
      overlap: try configuration.overlap.resolved(
        threads: threads, budget: budget, communicator: communicator),
      isSharded: configuration.shardOptimizer && ranks > 1)
    let step = try communicator.together {
      try TrainingStep(
        network: network,
        optimizer: Optimizer(
          kind: configuration.optimizer, momentum: configuration.momentum,
          weightDecay: configuration.weightDecay, layout: network.layout,
          slices: reducer.owned(by: rank)),
        tile: configuration.tile, globalBatch: globalBatch,
        loss: configuration.loss.loss(
          classWeights: Self.classWeights(configuration, data.dataset.mapping)),
        clipNorm: configuration.clipNorm, seed: configuration.seed,
        reducer: reducer, communicator: communicator, team: team)
    }
    self.step = step
    replicas = ReplicaCheck(
      elementCount: network.layout.count, communicator: communicator, team: team)
    predictor = try TiledPredictor(
      network: network, parameters: step.parameters, activations: step.activations, threads: team)

    let state = ShardedState(
      step.optimizer, elementCount: network.layout.count, isSharded: reducer.isSharded,
      communicator: communicator)
    self.state = state
    let wholeState = try communicator.together { try state.buffers() }
    let start = try Self.loadStart(
      configuration, output: output, data: data, step: step, state: wholeState,
      communicator: communicator)
    updates = start?.step ?? 0
    best = start?.best
    if start == nil && configuration.load == nil && isFirst {
      network.initialize(step.parameters.base, seed: configuration.seed, on: team)
    }
    // Every rank gets the parameters and the state of rank 0.
    try communicator.broadcast(step.parameters.floats, from: 0)
    try state.scatter(wholeState)
    // The best of a run resumed into another folder, or from before it, is not there to be named.
    let hasBest = try communicator.together {
      try output?.open(configuration, data: data, resumedFrom: start) ?? false
    }
    if try communicator.allReduceSum([hasBest ? 1 : Int64(0)]) == [0] { best = nil }
    if let path = configuration.timeline {
      try communicator.together { if isFirst { try Timeline.prepare(path) } }
      step.timeline = try Timeline(communicator: communicator)
    }
    if isFirst { try announce(budget: budget, resumed: start) }
  }

  // MARK: The run

  /// Trains to the end; collective.
  ///
  /// - Throws: what ended the run early. The checkpoints written until then stay.
  package func run() throws {
    let loader = BatchLoader(
      dataset: data.dataset, sampler: sampler,
      augmentation: Augmentation(configuration.augment), tile: tile, seed: configuration.seed,
      rank: communicator.rank, ranks: communicator.size,
      startStep: updates)
    defer { loader.close() }
    defer { output?.finish() }
    while updates < totalSteps {
      let began = ContinuousClock().now
      step.timeline?.begin(step: updates + 1)
      let batch = try communicator.together { try loader.next() }
      let loaded = ContinuousClock().now
      step.timeline?.add("load", from: began, to: loaded)
      let rate = schedule.rate(at: updates)
      var result = try step.run(batch, rate: rate)
      result.seconds.load = loader.secondsWaited
      // The slowest to load is waited for here.
      result.seconds.reduce += max(0, (loaded - began) / .seconds(1) - loader.secondsWaited)
      try stopUnlessFinite(result, batch.batch)
      updates += 1
      try report(
        result, batch.batch, rate: rate, seconds: (ContinuousClock().now - began) / .seconds(1))

      if isDue(configuration.checkReplicas) { try verifyReplicas([weights]) }
      let isLast = updates == totalSteps
      var isBest = false
      if !data.validationIDs.isEmpty, isLast || isDue(configuration.evaluateEvery) {
        isBest = try evaluate()
      }
      if isLast || isBest || isDue(configuration.checkpointEvery) {
        try save(epoch: batch.batch.epoch, isBest: isBest)
      }
    }
    if let path = configuration.timeline { try step.timeline?.write(to: path) }
    if communicator.rank == 0 { output?.announceEnd(updates: updates, best: best) }
  }

  private func isDue(_ interval: Int) -> Bool { interval > 0 && updates.isMultiple(of: interval) }

  /// Ends the run on all ranks when the loss or the gradient is not finite.
  private func stopUnlessFinite(_ result: TrainingStep.Result, _ batch: ShardedSampler.Batch) throws
  {
    guard !result.loss.isFinite || !result.gradientNorm.isFinite else { return }
    let places = result.brokenPlaces.isEmpty ? Array(batch.samples.indices) : result.brokenPlaces
    let names = places.prefix(8).map { data.dataset.names[batch.samples[$0]] }
    let what =
      result.loss.isFinite ? "gradient norm is \(result.gradientNorm)" : "loss is \(result.loss)"
    let kept = output?.newestCheckpoint.map { "the last good checkpoint is \($0)" }
    // The numbers are the same on all ranks, so all of them fail here.
    throw NonFiniteLossError(
      step: batch.step + 1, what: what, samples: names, more: places.count - names.count,
      checkpoint: kept ?? "no checkpoint was written yet")
  }

  private func report(
    _ result: TrainingStep.Result, _ batch: ShardedSampler.Batch, rate: Double, seconds: Double
  ) throws {
    let record = StepRecord(
      step: updates, epoch: batch.epoch, loss: result.loss, learningRate: rate,
      gradientNorm: result.gradientNorm, imagesPerSecond: Double(batch.samples.count) / seconds,
      seconds: result.seconds,
      rankSeconds: communicator.size > 1
        ? try RankSeconds.gather(result.seconds, communicator) : nil,
      sentByteCount: result.sentByteCount)
    try output?.record(record, totalSteps: totalSteps)
  }

  /// Scores the validation images; true when the scores are the best so far.
  private func evaluate() throws -> Bool {
    let scores = try Evaluator.evaluate(
      dataset: data.validation, ids: data.validationIDs, predictor: predictor,
      communicator: communicator)
    let score = scores.meanIntersectionOverUnion
    let isBest = score > best?.meanIntersectionOverUnion ?? -1
    if isBest { best = Checkpoint.BestScore(step: updates, meanIntersectionOverUnion: score) }
    try output?.record(
      scores, step: updates, isBest: isBest, names: data.dataset.mapping.names)
    return isBest
  }

  private var weights: ReplicaCheck.Replica { ("weights", step.parameters) }

  private func verifyReplicas(_ replicas: [ReplicaCheck.Replica]) throws {
    try self.replicas.verify(
      replicas, step: updates, checkpoint: output?.verifiedCheckpoint)
  }

  /// Proves what is about to be saved: finite on every rank, and where it is on all ranks, the same.
  ///
  /// Else a checkpoint could be called good, and push out a good one, that no run can go on from.
  private func verifyState() throws {
    let buffers: [ReplicaCheck.Replica] =
      [weights] + step.optimizer.state.map { ("optimiser's \($0.name)", $0.values) }
    let broken = buffers.map { name, values in
      VectorBounds.areWithin(
        .greatestFiniteMagnitude, values.base, count: values.count, on: step.team) ? Int64(0) : 1
    }
    let counts = try communicator.allReduceSum(broken)
    if let first = counts.firstIndex(where: { $0 > 0 }) {
      throw NonFiniteStateError(
        step: updates, name: buffers[first].name, checkpoint: output?.newestCheckpoint)
    }
    try verifyReplicas(state.isSharded ? [weights] : buffers)
  }

  private func save(epoch: Int, isBest: Bool) throws {
    try verifyState()
    let checkpoint = Checkpoint(
      network: step.network.configuration, classes: data.dataset.mapping,
      normalization: data.dataset.normalization, configuration: configuration.yaml(),
      step: updates, epoch: epoch, seed: configuration.seed, tile: configuration.tile,
      optimizer: configuration.optimizer, matrixKernels: MatrixProduct.kernels,
      arithmetic: try ArithmeticProbe.digest, dataDigest: data.digestText, best: best,
      version: Version.number, revision: Version.revision)
    let whole = try state.gathered()
    try communicator.together {
      try output?.save(checkpoint, step: step, state: whole, isBest: isBest)
    }
  }
}

/// A loss or a gradient that is infinite or not a number, on all ranks alike.
struct NonFiniteLossError: AgreedFailure {
  /// Rank 0, which alone knows of the checkpoints.
  let reportingRank = 0
  let step: Int
  let what: String
  let samples: [String]
  let more: Int
  let checkpoint: String

  var description: String {
    let rest = more > 0 ? " and \(more) more" : ""
    return "step \(step): the \(what), on samples \(samples.joined(separator: ", "))\(rest); "
      + "the weights were not updated and \(checkpoint); lower --learning-rate or set --clip-norm"
  }
}

/// Weights or optimiser state that an update has made infinite or not a number, on all ranks alike.
struct NonFiniteStateError: AgreedFailure {
  /// Rank 0, which alone knows of the checkpoints.
  let reportingRank = 0
  let step: Int
  let name: String
  let checkpoint: String?

  var description: String {
    let kept =
      checkpoint.map { "the last good checkpoint is \($0)" } ?? "no checkpoint was written yet"
    return
      "step \(step): the update has made the \(name) infinite or not a number; nothing was saved "
      + "and \(kept); lower --learning-rate or set --clip-norm"
  }
}

// MARK: - Preparing

extension Trainer {
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

  private static func architecture(
    _ configuration: TrainingConfiguration, _ data: TrainingData
  ) -> UNetConfiguration {
    configuration.network(
      inputChannels: data.dataset.channels, classes: data.dataset.mapping.count)
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

  /// Reads the checkpoint that the run starts from, on rank 0, and tells the others what it says.
  ///
  /// - Returns: the checkpoint of a resumed run; nil for a new one.
  private static func loadStart(
    _ configuration: TrainingConfiguration, output: RunOutput?, data: TrainingData,
    step: TrainingStep, state: [(name: String, values: FloatBuffer)],
    communicator: any Communicator
  ) throws -> Checkpoint? {
    guard configuration.resume != nil || configuration.load != nil else { return nil }
    let start = try communicator.together { () throws -> Checkpoint? in
      guard let output else { return nil }
      if let path = configuration.load {
        let (_, file) = try Checkpoint.read(path)
        try Checkpoint.load(file, layout: step.network.layout, into: step.parameters)
        return nil
      }
      let path: String
      if case .checkpoint(let given) = configuration.resume {
        path = given
      } else {
        path = try output.folder.newestCheckpoint()
      }
      let (checkpoint, file) = try Checkpoint.read(path)
      try checkpoint.check(resumedBy: configuration, data: data, path: path)
      try Checkpoint.load(file, layout: step.network.layout, into: step.parameters)
      for (name, buffer) in state {
        try Checkpoint.load(
          file, layout: step.network.layout, prefix: "optimizer.\(name).", into: buffer)
      }
      return checkpoint
    }
    return try Checkpoint.shared(start, communicator)
  }

  private func announce(budget: ThreadBudget, resumed: Checkpoint?) throws {
    let mapping = data.dataset.mapping
    logger.info("\(mapping.table)")
    if let warning = mapping.warning { logger.warning("\(warning)") }
    let synthetic =
      configuration.data == nil && configuration.images == nil ? " (built-in synthetic cells)" : ""
    logger.info(
      """
      \(data.trainingIDs.count) images to train on, \(data.validationIDs.count) to validate \
      on\(synthetic); an epoch is \(sampler.drawsPerEpoch) tiles in \(sampler.stepsPerEpoch) steps
      """)
    logger.info(
      """
      \(step.network.layout.count) parameters; tiles of \(tile.inputSide), output \
      \(tile.outputSide); activations take \(step.activationByteCount >> 20) MiB a rank
      """)
    let ranks = communicator.size == 1 ? "1 rank" : "\(communicator.size) ranks"
    logger.info(
      """
      \(ranks), \(threads) of \(budget.hostCores) cores each, matrix kernels \
      \(MatrixProduct.kernels)
      """)
    if let resumed {
      let arithmetic = try ArithmeticProbe.digest
      logger.info("continuing after step \(resumed.step)")
      if resumed.matrixKernels != MatrixProduct.kernels {
        logger.warning(
          """
          the checkpoint was made with matrix kernels \(resumed.matrixKernels), so the bits will \
          differ from those of an uninterrupted run; set UNET_DIST_BLAS_KERNELS to get the same
          """)
      } else if let before = resumed.arithmetic, before != arithmetic {
        logger.warning(
          """
          the checkpoint was made by a build or a machine that rounds differently (arithmetic \
          \(before), here \(arithmetic)), so the bits will differ from those of \
          an uninterrupted run; build with the same UNET_DIST_MARCH and compiler to get the same
          """)
      }
    }
  }
}

extension Checkpoint {
  /// Checks that a run of this configuration and data can go on from here with the same numbers.
  fileprivate func check(
    resumedBy configuration: TrainingConfiguration, data: TrainingData, path: String
  ) throws {
    let before = try TrainingConfiguration(yaml: self.configuration, file: path)
    let differences = configuration.differences(from: before, for: .resume)
    guard differences.isEmpty else {
      throw CheckpointError(
        path: path, expected: "a run with the same options",
        found: "other values of " + differences.map { "--\($0)" }.joined(separator: ", "),
        hint: "resume with the options of the run, or start a new one with --load")
    }
    guard classes.values == data.dataset.mapping.values else {
      throw CheckpointError(
        path: path, expected: "masks with the values \(classes.values)",
        found: "\(data.dataset.mapping.values)", hint: "resume with the images of the run")
    }
    guard dataDigest == data.digestText else {
      throw CheckpointError(
        path: path, expected: "the images that the run was started with",
        found: "other names, sizes or numbers of images",
        hint: "resume with the images of the run, or start a new one with --load")
    }
  }
}
