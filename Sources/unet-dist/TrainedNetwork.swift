// A network as `evaluate` and `predict` use it: read from a checkpoint, ready for whole images.

import ArgumentParser
import Communication
import Evaluation
import Foundation
import Network
import Tensors
import Threading
import Training

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
}

/// A network with its weights, and what the checkpoint says of its inputs and outputs.
struct TrainedNetwork {
  let checkpoint: Checkpoint
  let predictor: TiledPredictor
  private let threads: Int
  private let hostRanks: Int

  /// Reads the checkpoint on every rank; collective.
  init(_ options: TrainedNetworkOptions, communicator: any Communicator) throws {
    let budget = try ThreadBudget.measure(for: communicator)
    let threads = options.threads ?? budget.threads
    (checkpoint, predictor) = try communicator.together {
      let (checkpoint, file) = try Checkpoint.read(options.checkpoint)
      let network = UNet(checkpoint.network)
      try Checkpoint.check(file, has: network.layout)
      if let tile = options.tile, network.configuration.outputSide(tile: tile) == nil {
        let nearest = network.configuration.legalTiles(near: tile).map(String.init)
        throw ConfigurationError(
          option: "tile", expected: "a legal size for this network", found: "\(tile)",
          hint: "the nearest are " + nearest.joined(separator: " and "))
      }
      let parameters = FloatBuffer(count: network.layout.count)
      try Checkpoint.load(file, layout: network.layout, into: parameters)
      let predictor = TiledPredictor(
        network: network, parameters: parameters, tile: options.tile,
        threads: ThreadTeam(count: threads))
      return (checkpoint, predictor)
    }
    self.threads = threads
    hostRanks = communicator.hostSize
  }

  /// Refuses tiles that the host's memory does not hold.
  func checkMemory(of plan: TilePlan) throws(ConfigurationError) {
    try MemoryLimit.check(
      predictor.network, height: plan.rows.inputSide, width: plan.columns.inputSide,
      training: false, threads: threads, copies: 1, hostRanks: hostRanks)
  }
}

/// Warns where some ranks have nothing to do.
///
/// - Parameters:
///   - count: pieces of work that are dealt to the ranks, one at least to each if there are enough.
///   - pieces: what they are, for example "tiles".
func warnOfIdleRanks(_ count: Int, _ pieces: String, _ communicator: any Communicator) {
  guard communicator.rank == 0, count < communicator.size else { return }
  let idle = communicator.size - count
  let text = """
    warning: \(count) \(pieces) for \(communicator.size) ranks: \(idle) \(idle == 1 ? "has" : "have") \
    no work; fewer ranks with more threads each use all cores

    """
  FileHandle.standardError.write(Data(text.utf8))
}
