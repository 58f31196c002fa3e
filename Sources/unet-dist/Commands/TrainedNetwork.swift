// A network as `evaluate` and `predict` use it: read from a checkpoint, ready for whole images.

import ArgumentParser
import Checkpoints
import Communication
import Configuration
import Datasets
import Files
import Foundation
import Inference
import Network
import Tensors
import Threading

/// The options of a command that uses a trained network.
struct TrainedNetworkOptions: ParsableArguments {
  @Option(
    help: "The checkpoint, e.g. OUTPUT/best.safetensors.", completion: .file())
  var checkpoint: String

  @Option(
    help: """
      Side of square tiles; by default each image has the tiles of least work that take at most \
      \(TilePlan.activationByteLimit >> 30) GiB of memory a rank.
      """)
  var tile: Int?

  @Flag(
    help:
      "Average over the eight flips and quarter turns of every tile: more exact, eight times the work."
  )
  var tta = false

  @Option(help: "Threads of each rank; the default is the cores that this rank may use.")
  var threads: Int?

  func validate() throws {
    if let tile, !(1...16384).contains(tile) {
      throw ValidationError("--tile: expected 1...16384, found \(tile)")
    }
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads: expected 1...1024, found \(threads)")
    }
  }

  /// Refuses a tile that the network cannot take.
  func checkTile(_ network: UNetConfiguration) throws(ConfigurationError) {
    guard let tile, network.outputSide(tile: tile) == nil else { return }
    let nearest = network.legalTiles(near: tile).map(String.init)
    throw ConfigurationError(
      option: "tile", expected: "a legal size for this network", found: "\(tile)",
      hint: "the nearest are " + nearest.joined(separator: " and "))
  }

  /// The options that must be the same on all ranks.
  var digests: [NamedDigest] {
    [
      NamedDigest(name: "--checkpoint", text: checkpoint),
      NamedDigest(name: "--tile", text: tile.map(String.init) ?? "best"),
      NamedDigest(name: "--tta", text: "\(tta)"),
    ]
  }
}

/// A network with its weights, and what the checkpoint says of its inputs and outputs.
struct TrainedNetwork {
  let checkpoint: Checkpoint
  let predictor: TiledPredictor
  /// What the ranks must agree on, beside their images, before they use the network together.
  let digests: [NamedDigest]
  /// Threads of this rank.
  let threads: Int
  private let averagesSymmetries: Bool
  /// Measured before anything large was allocated.
  private let memory: MemoryBudget

  /// Reads the checkpoint on rank 0 and gives it to all ranks; collective.
  init(_ options: TrainedNetworkOptions, communicator: any Communicator) throws {
    let budget = try ThreadBudget.measure(for: communicator)
    let threads = options.threads ?? budget.threads
    let team = ThreadTeam(count: threads)
    if let warning = team.warning { printWarning("rank \(communicator.rank): \(warning)") }
    let memory = MemoryBudget.measure(for: communicator)
    let read = try communicator.together { () throws -> (Checkpoint, SafetensorsFile)? in
      guard communicator.rank == 0 else { return nil }
      try Self.checkMemory(ofFile: options.checkpoint, against: memory)
      let (checkpoint, file) = try Checkpoint.read(options.checkpoint)
      try Checkpoint.check(file, has: UNet(checkpoint.network).layout)
      return (checkpoint, file)
    }
    guard let checkpoint = try Checkpoint.shared(read?.0, communicator) else {
      preconditionFailure("rank 0 has read a checkpoint")
    }
    let network = UNet(checkpoint.network)
    try communicator.verifyEqualOnAllRanks([NamedDigest(network.layout)])
    let parameters = try communicator.together {
      try options.checkTile(network.configuration)
      let parameters = try FloatBuffer(count: network.layout.count, for: "parameters")
      if let file = read?.1 {
        try Checkpoint.loadEvaluated(file, layout: network.layout, into: parameters)
      }
      return parameters
    }
    try communicator.broadcast(parameters.floats, from: 0)

    self.checkpoint = checkpoint
    predictor = TiledPredictor(
      network: network, parameters: parameters, tile: options.tile,
      averagesSymmetries: options.tta, threads: team)
    averagesSymmetries = options.tta
    digests = try options.digests + NamedDigest.arithmetic() + [Self.digest(parameters)]
    self.threads = threads
    self.memory = memory
  }

  /// The digest of the weights as they arrived.
  private static func digest(_ parameters: FloatBuffer) -> NamedDigest {
    var hash = SHA256()
    hash.update(UnsafeRawBufferPointer(parameters.floats))
    return NamedDigest(name: "network's weights", digest: hash.finalize())
  }

  /// Refuses a checkpoint that this rank cannot hold while it is read.
  private static func checkMemory(
    ofFile path: String, against memory: MemoryBudget
  ) throws(ConfigurationError) {
    // Whatever else is wrong with the file is told by its reader.
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    guard let byteCount = (attributes?[.size] as? NSNumber)?.intValue else { return }
    var demand = MemoryDemand()
    demand.add("the file", byteCount)
    try demand.check(
      against: memory, option: "checkpoint", subject: path,
      hint: "take the checkpoint of a smaller network")
  }

  /// Refuses an image that this rank cannot predict: its tiles, and `imageByteCount` bytes of what
  /// is held of it as a whole.
  ///
  /// - Parameter path: where the image lies.
  func checkMemory(
    height: Int, width: Int, imageByteCount: Int, path: String
  ) throws(ConfigurationError) {
    let network = predictor.network
    let plan = predictor.plan(height: height, width: width)
    let (rows, columns) = (plan.rows.inputSide, plan.columns.inputSide)
    // With --tile the plan is not looked for, and may be beyond all sense.
    try MemoryLimit.check(network.configuration, tile: max(rows, columns))
    var demand = MemoryDemand()
    demand.add("parameters", network.layout.count * MemoryLayout<Float>.stride)
    demand.addTile(
      of: network, height: rows, width: columns, training: false, threads: threads)
    demand.add("the whole image", imageByteCount)
    if averagesSymmetries {
      // The pixels of a tile once more, and its scores in Float and Double.
      let (model, float) = (network.configuration, MemoryLayout<Float>.stride)
      demand.add(
        "the mean over symmetries",
        rows * columns * (model.inputChannels * float + model.classes * 3 * float))
    }
    try demand.check(
      against: memory, option: nil,
      subject: "\(width)x\(height) pixels in tiles of \(columns)x\(rows)",
      hint: "take a smaller --tile or a smaller image", origin: .init(file: path))
  }
}

/// Warns where some ranks have nothing to do.
///
/// - Parameters:
///   - count: pieces of work that are partitioned over the ranks, one at least to each if there are enough.
///   - pieces: what they are, for example "tiles".
func warnOfIdleRanks(_ count: Int, _ pieces: String, _ communicator: any Communicator) {
  guard communicator.rank == 0, count < communicator.size else { return }
  let idle = communicator.size - count
  printWarning(
    """
    \(count) \(pieces) for \(communicator.size) ranks: \(idle) \(idle == 1 ? "has" : "have") no work; \
    fewer ranks with more threads each use all cores
    """)
}
