// The memory of a planned run: that of its steps, and what else its evaluations need.

import Checkpoints
import Communication
import Configuration
import Datasets
import Files
import Inference
import Kernels
import Metrics
import Network
import Reports
import Tensors
import Threading

extension RunPlan {
  /// The step with its memory; collective.
  ///
  /// The update strategy is that of the reducer.
  func step(
    _ display: RunDisplay, _ communicator: any Communicator
  ) throws -> TrainingStep {
    let layout = network.layout
    let overlap = try configuration.overlap.resolved(
      threads: team.count, budget: budget, communicator: communicator)
    let reducer = GradientReducer(
      communicator: communicator,
      buckets: GradientBuckets(
        elementCount: layout.count, byteCount: configuration.bucketKiB << 10),
      reduction: configuration.reduction, compression: configuration.compression,
      overlap: overlap, isSharded: configuration.shardOptimizer && communicator.size > 1)
    if reducer.overlap != overlap {
      display.warn(
        "rank \(communicator.rank): the system refuses a thread for the exchange of gradients, so "
          + "the thread that computes polls; raise `ulimit -u`, or give --overlap poll")
    }
    return try communicator.together {
      try TrainingStep(
        network: network,
        optimizer: Optimizer(
          kind: configuration.optimizer, momentum: configuration.momentum,
          weightDecay: configuration.weightDecay, layout: layout,
          isNesterov: configuration.nesterov, averageDecay: configuration.ema,
          chunks: reducer.owned(by: communicator.rank)),
        tile: configuration.tile, globalBatch: globalBatch, recomputation: recomputation,
        loss: loss,
        clipNorm: configuration.clipNorm, seed: configuration.seed, reducer: reducer,
        communicator: communicator, team: team)
    }
  }

  /// Sets the weights that a new run begins with, and the averages; collective.
  ///
  /// They are initial ones, and what a file of --load has of them, the same on all ranks.
  func begin(
    _ step: TrainingStep, say: (String) -> Void, warn: (String) -> Void,
    _ communicator: any Communicator
  ) throws {
    try communicator.together {
      guard communicator.rank == 0 else { return }
      network.initialize(
        step.parameters.base, seed: configuration.seed,
        isCalibrated: configuration.preset == .auto, on: team)
      if let path = configuration.load {
        let file = try SafetensorsFile.read(try Checkpoint.file(at: path))
        let weights = try Checkpoint.loadMatching(
          file, layout: network.layout, into: step.parameters)
        say("\(file.path): \(weights.summary)")
        if let trained = Checkpoint.network(of: file),
          trained.padding != network.configuration.padding
        {
          warn(
            "its network was trained with --padding \(trained.padding.rawValue), and this one has "
              + network.configuration.padding.rawValue)
        }
      }
    }
    try communicator.broadcast(step.parameters.floats, from: 0)
    step.optimizer.beginAverages(step.parameters)
  }

  /// The metadata of a checkpoint of this run.
  func checkpoint(
    step: Int, epoch: Int, threshold: Checkpoint.Threshold?, best: Checkpoint.BestScore?,
    patience: Checkpoint.Patience?, isUnscored: Bool, verification: Checkpoint.Verification?
  ) throws -> Checkpoint {
    Checkpoint(
      network: network.configuration, classes: data.dataset.mapping,
      normalization: data.dataset.normalization, configuration: configuration.yaml(),
      step: step, epoch: epoch, seed: configuration.seed, tile: configuration.tile,
      optimizer: configuration.optimizer, matrixKernels: MatrixProduct.kernels,
      arithmetic: try ArithmeticProbe.digest, dataDigest: data.digestText,
      divisionDigest: data.divisionDigest, threshold: threshold, best: best,
      patience: configuration.patience == nil ? nil : patience, isUnscored: isUnscored,
      verification: verification, version: Version.number, revision: Version.revision)
  }

  /// What makes tiles.
  var augmentation: Augmentation {
    Augmentation(
      configuration.augment, foregroundShare: configuration.foregroundTiles,
      background: UInt8(data.dataset.mapping.mostFrequent))
  }

  /// What hands out the samples of this rank, from a step on.
  func loader(_ communicator: any Communicator, startStep: Int) -> BatchLoader {
    BatchLoader(
      dataset: data.dataset, sampler: sampler, augmentation: augmentation,
      tile: tile, seed: configuration.seed, rank: communicator.rank, ranks: communicator.size,
      startStep: startStep, threadLimit: min(team.count, BatchLoader.mostThreads))
  }
}

/// What evaluations in the course of training take beside the memory of the step.
struct EvaluationMemory {
  private let evaluated: EvaluatedParameters
  private let predictor: TiledPredictor

  init(_ plan: RunPlan, _ step: TrainingStep, _ communicator: any Communicator) throws {
    evaluated = try EvaluatedParameters(
      step, isSharded: step.reducer.isSharded, communicator: communicator)
    predictor = try TiledPredictor(
      network: plan.network, parameters: evaluated.parameters, activations: step.activations,
      threads: plan.team)
  }

  /// The scores of the validation images by the weights that are evaluated; collective.
  ///
  /// - Throws: also `EvaluationStopped`, on all ranks, when `isStopped` said so on one.
  func score(
    _ data: TrainingData, _ communicator: any Communicator,
    unless isStopped: () -> Bool = { false }
  ) throws -> SegmentationScores {
    try evaluated.gather()
    return try Evaluator.evaluate(
      dataset: data.validation, ids: data.validationIDs, predictor: predictor,
      communicator: communicator, unless: isStopped)
  }

  /// What is to be seen of the weights that were scored: validation images, and how the weights are spread.
  func view(_ data: TrainingData, step: Int, layout: ParameterLayout) throws -> EvaluationView {
    let shown = data.validationIDs.filter {
      let size = data.validation.size($0)
      return size.width * size.height <= EvaluationView.pixelLimit
    }.prefix(EvaluationView.imageLimit)
    let pictures = try shown.flatMap { id in
      let image = try data.validation.image(id)
      let labels = [
        ("prediction", try predictor.probabilities(of: image).labels), ("truth", image.labels),
      ]
      return labels.map { kind, labels in
        (
          name: "\(image.name)/\(kind)",
          image: SegmentationPictures.overlay(
            intensities: image.pixels, channels: image.channels, labels: labels,
            width: image.width, height: image.height)
        )
      }
    }
    let weights = layout.parameters.map { parameter in
      (
        name: parameter.name,
        histogram: ValueHistogram(
          UnsafeBufferPointer(
            start: evaluated.parameters.base + parameter.slot.offset, count: parameter.slot.count))
      )
    }
    return EvaluationView(step: step, pictures: pictures, weights: weights)
  }
}

extension TrainingConfiguration {
  /// Refuses ranks that were given other options by which they would make other collective calls
  /// before their whole configurations are compared; collective.
  func verifySameStart(_ communicator: any Communicator) throws {
    func digest(_ name: String) -> NamedDigest {
      NamedDigest(name: "--\(name)", text: TrainingOption.named(name)?.text(self) ?? "nothing")
    }
    try communicator.verifyEqualOnAllRanks(["resume", "load", "minutes", "preset"].map(digest))
  }
}
