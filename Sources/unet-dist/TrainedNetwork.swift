// A network as `evaluate` and `predict` use it: read from a checkpoint, ready for whole images.

import ArgumentParser
import Communication
import Evaluation
import Network
import Tensors
import Threading
import Training

/// The options of a command that uses a trained network.
struct TrainedNetworkOptions: ParsableArguments {
  @Option(
    help: "The checkpoint, e.g. OUTPUT/best.safetensors.", completion: .file())
  var checkpoint: String

  @Option(help: "Side of the tiles; the default is that of the training.")
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

  /// Reads the checkpoint on every rank; collective.
  init(_ options: TrainedNetworkOptions, communicator: any Communicator) throws {
    let budget = try ThreadBudget.measure(for: communicator)
    (checkpoint, predictor) = try communicator.together {
      let (checkpoint, file) = try Checkpoint.read(options.checkpoint)
      let network = UNet(checkpoint.network)
      try Checkpoint.check(file, has: network.layout)
      let parameters = FloatBuffer(count: network.layout.count)
      try Checkpoint.load(file, layout: network.layout, into: parameters)
      let tile = options.tile ?? checkpoint.tile
      guard network.configuration.outputSide(tile: tile) != nil else {
        let nearest = network.configuration.legalTiles(near: tile).map(String.init)
        throw ConfigurationError(
          option: "tile", expected: "a legal size for this network", found: "\(tile)",
          hint: "the nearest are " + nearest.joined(separator: " and "))
      }
      let threads = options.threads ?? budget.threads
      try MemoryLimit.check(
        network, tile: tile, training: false, threads: threads, copies: 1,
        hostRanks: communicator.hostSize)
      let predictor = TiledPredictor(
        network: network, parameters: parameters, tile: tile, threads: ThreadTeam(count: threads))
      return (checkpoint, predictor)
    }
  }
}
