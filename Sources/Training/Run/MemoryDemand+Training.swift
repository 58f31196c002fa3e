// The memory that a rank will need for a run of training.

import Communication
import Configuration
import Datasets
import Kernels
import Network
import Tensors

extension MemoryDemand {
  /// What a run of training computes again, which with `--recompute auto` is as little as this rank has memory for.
  ///
  /// Refuses a run that this rank cannot hold.
  ///
  /// - Parameter budget: measured before the images were read.
  /// - Throws: `ConfigurationError` naming the options that make it large.
  static func recomputation(
    _ configuration: TrainingConfiguration, network: UNet, data: TrainingData, threads: Int,
    rank: Int, ranks: Int, against budget: MemoryBudget
  ) throws(ConfigurationError) -> Recomputation {
    let model = network.configuration
    try MemoryLimit.check(model, tile: configuration.tile)
    let choices =
      switch configuration.recompute {
      case .auto: 0...model.depth
      case .levels(let levels): min(levels, model.depth)...min(levels, model.depth)
      }
    var demand = MemoryDemand()
    for levels in choices {
      let recomputation = Recomputation(levels: levels)
      demand = MemoryDemand(
        configuration, network: network, data: data, threads: threads, rank: rank, ranks: ranks,
        recomputation: recomputation)
      if demand.byteCount <= budget.byteCount { return recomputation }
    }
    try demand.check(
      against: budget, option: "tile",
      subject: "\(configuration.tile) with base channels \(model.baseChannels) and depth "
        + "\(model.depth)",
      hint: "take a smaller --tile or --base-channels"
        + (configuration.recompute == .auto ? "" : ", or leave --recompute out"))
    return Recomputation(levels: choices.upperBound)
  }

  /// What a rank of `ranks` holds in a run of training.
  init(
    _ configuration: TrainingConfiguration, network: UNet, data: TrainingData, threads: Int,
    rank: Int, ranks: Int, recomputation: Recomputation = .least
  ) {
    self.init()
    addTile(
      of: network, height: configuration.tile, width: configuration.tile, training: true,
      threads: threads, recomputation: recomputation)
    let copy = network.layout.count * MemoryLayout<Float>.stride
    add("parameters", copy)
    let batch = configuration.globalBatch ?? ranks
    let batchIndices = ShardedSampler.batchIndices(of: batch, rank: rank, ranks: ranks)
    let gradientCopies = GradientAccumulator.bufferCount(
      configuration.reduction, batchIndices: batchIndices, of: batch)
    add("gradients", gradientCopies * copy)
    let moments = configuration.optimizer == .sgd ? 1 : 2
    let state = (moments + (configuration.ema > 0 ? 1 : 0)) * copy
    let isSharded = configuration.shardOptimizer && ranks > 1
    add("optimiser state", isSharded ? state / ranks : state)
    if rank == 0 {
      addCheckpoint(configuration, network: network, state: state, shards: isSharded ? ranks : 1)
    }
    let isApart = configuration.validationData != nil
    add("images", data.dataset.ownByteCount + (isApart ? data.validation.ownByteCount : 0))
    // Validation takes what a tile shows at a time.
    let side = configuration.tile
    let largest =
      data.validationIDs.isEmpty
      ? 0 : data.validation.largestByteCount(rows: side, columns: side)
    add("tile being validated on", largest)
    let isWeighted = configuration.weightMap != .none
    if isWeighted {
      let inMemory = data.dataset.ownByteCount > 0
      let pixels =
        (0..<data.dataset.count).map { data.dataset.size($0) }.map { $0.width * $0.height }
      add("weights of pixels", inMemory ? pixels.reduce(0, +) * MemoryLayout<Float>.stride : 0)
      // Objects, two distances, weights, and the box of an object in Double.
      let maps = inMemory ? 1 : min(threads, BatchLoader.mostThreads)
      add(
        "weight maps being computed",
        maps * (pixels.max() ?? 0) * (6 * MemoryLayout<Float>.stride + 8))
    }
    let output = network.configuration.outputSide(tile: configuration.tile) ?? configuration.tile
    let tile = TileShape(inputSide: configuration.tile, outputSide: output)
    add(
      "batches",
      (1 + BatchLoader.depth) * max(1, batchIndices.count)
        * SampleBuffer.byteCount(
          tile: tile, channels: data.dataset.channels, isWeighted: isWeighted))
  }

  /// The writing of a checkpoint takes a copy of the largest tensor, and the whole of a state that is kept in
  /// shards, with one rank's shards and a copy of the parameters; the reading takes the file and a tensor.
  private mutating func addCheckpoint(
    _ configuration: TrainingConfiguration, network: UNet, state: Int, shards: Int
  ) {
    let stride = MemoryLayout<Float>.stride
    let tensor = (network.layout.parameters.map(\.slot.count).max() ?? 0) * stride
    let copy = network.layout.count * stride
    let gathered = shards > 1 ? copy + state + state / shards : 0
    // A checkpoint to start from may be another optimiser's, of two moments, with averages.
    let file =
      configuration.load != nil ? 4 * copy : configuration.resume != nil ? copy + state : 0
    add("checkpoint", tensor + max(gathered, file))
  }
}
