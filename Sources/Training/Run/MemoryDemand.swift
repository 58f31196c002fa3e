// What a rank is going to hold in memory, told before it is allocated.

import Communication
import Datasets
import Foundation
import Network

/// The memory that a rank is going to take, by part.
public struct MemoryDemand: Sendable {
  private var parts: [(name: String, byteCount: Int)] = []

  /// A demand for nothing.
  public init() {}

  /// Bytes in all.
  public var byteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }

  /// Adds a part: a noun phrase such as "activations", and its bytes.
  public mutating func add(_ name: String, _ byteCount: Int) {
    if byteCount > 0 { parts.append((name, byteCount)) }
  }

  /// Adds what the network's tiles of `height` x `width` take: activations, and the tile's pixels.
  public mutating func addTile(
    of network: UNet, height: Int, width: Int, training: Bool, threads: Int
  ) {
    let activations = UNetMemory.activationByteCount(
      network, height: height, width: width, training: training, threads: threads)
    let pixels = height * width * network.configuration.inputChannels * MemoryLayout<Float>.stride
    add("activations", activations + pixels)
  }

  /// Refuses what a rank cannot hold.
  ///
  /// - Parameters:
  ///   - subject: what takes the memory, for the message; `hint`: what would make it smaller.
  /// - Throws: `ConfigurationError` with the bound, and with the parts from the largest on.
  public func check(
    against budget: MemoryBudget, option: String?, subject: String, hint: String,
    origin: ConfigurationError.Origin? = nil
  ) throws(ConfigurationError) {
    guard byteCount > budget.byteCount else { return }
    let listed = parts.sorted { $0.byteCount > $1.byteCount }
      .map { "\($0.name) \(Self.mebibytes($0.byteCount))" }.joined(separator: ", ")
    throw ConfigurationError(
      option: option,
      expected: "what takes at most \(budget.byteCount >> 20) MiB a rank, by \(budget.bound)",
      found: "\(subject), which takes \(Self.mebibytes(byteCount)) MiB (\(listed))",
      hint: "\(hint), or \(budget.remedy)", origin: origin)
  }

  /// Rounded up, so that what is refused never looks as if it fitted.
  private static func mebibytes(_ byteCount: Int) -> Int { (byteCount + (1 << 20) - 1) >> 20 }
}

// MARK: - Training

extension MemoryDemand {
  /// Refuses a run of training that this rank cannot hold.
  ///
  /// - Parameter budget: measured before the images were read.
  /// - Throws: `ConfigurationError` naming the options that make it large.
  static func check(
    _ configuration: TrainingConfiguration, network: UNet, data: TrainingData, threads: Int,
    rank: Int, ranks: Int, against budget: MemoryBudget
  ) throws(ConfigurationError) {
    let model = network.configuration
    try MemoryLimit.check(model, tile: configuration.tile)
    let demand = MemoryDemand(
      configuration, network: network, data: data, threads: threads, rank: rank, ranks: ranks)
    try demand.check(
      against: budget, option: "tile",
      subject: "\(configuration.tile) with base channels \(model.baseChannels) and depth "
        + "\(model.depth)",
      hint: "take a smaller --tile or --base-channels")
  }

  /// What a rank of `ranks` holds in a run of training.
  init(
    _ configuration: TrainingConfiguration, network: UNet, data: TrainingData, threads: Int,
    rank: Int, ranks: Int
  ) {
    addTile(
      of: network, height: configuration.tile, width: configuration.tile, training: true,
      threads: threads)
    let copy = network.layout.count * MemoryLayout<Float>.stride
    add("parameters", copy)
    let batch = configuration.globalBatch ?? ranks
    let places = ShardedSampler.places(of: batch, rank: rank, ranks: ranks)
    let gradientCopies = PartialSums.bufferCount(
      configuration.reduction, places: places, of: batch)
    add("gradients", gradientCopies * copy)
    let state = (configuration.optimizer == .sgd ? 1 : 2) * copy
    let isSharded = configuration.shardOptimizer && ranks > 1
    add("optimiser state", isSharded ? state / ranks : state)
    if rank == 0 {
      addCheckpoint(configuration, network: network, state: state, shards: isSharded ? ranks : 1)
    }
    add("images", data.keptByteCount)
    // The loader decodes one while validation decodes another.
    let decoded = max(data.dataset.largestByteCount, data.validation.largestByteCount)
    add("an image being decoded", data.dataset.isCached ? 0 : 2 * decoded)
    let output = network.configuration.outputSide(tile: configuration.tile) ?? configuration.tile
    let tile = TileShape(inputSide: configuration.tile, outputSide: output)
    add(
      "batches",
      (1 + BatchLoader.depth) * max(1, places.count)
        * SampleBuffer.byteCount(tile: tile, channels: data.dataset.channels))
  }

  /// The writing of a checkpoint takes a copy of the largest tensor, and the whole of a state that is
  /// kept in shards, with one rank's shards; the reading takes the file and a tensor.
  private mutating func addCheckpoint(
    _ configuration: TrainingConfiguration, network: UNet, state: Int, shards: Int
  ) {
    let stride = MemoryLayout<Float>.stride
    let tensor = (network.layout.parameters.map(\.slot.count).max() ?? 0) * stride
    let gathered = shards > 1 ? state + state / shards : 0
    let copy = network.layout.count * stride
    // A checkpoint to start from may be another optimiser's, of two moments.
    let file =
      configuration.load != nil ? 3 * copy : configuration.resume != nil ? copy + state : 0
    add("checkpoint", tensor + max(gathered, file))
  }
}
