// The options of the commands that use trained networks.

import ArgumentParser
import Checkpoints
import Communication
import Configuration
import Inference
import Liveness
import Network

/// The options of a command that uses a trained network, or several.
struct TrainedNetworkOptions: ParsableArguments {
  @Option(
    help: """
      The checkpoint, e.g. OUTPUT/best.safetensors, or the folder of a run, of which it is the best. \
      Given several times, the mean of the networks' probabilities is taken.
      """, completion: .file())
  var checkpoint: [String]

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

  @Option(help: "Average over this many passes with dropout on; 0 is one pass without dropout.")
  var mcSamples = 0

  @Option(help: "Seed of the passes with dropout; by default 0.")
  var seed: UInt64?

  @Option(
    help: ArgumentHelp(
      """
      Of two classes a pixel is of the second one where its probability is above this: a number, or \
      validation, what was best for the validation images of the training; by default 0.5.
      """, valueName: "validation|value"))
  var threshold: ThresholdChoice?

  @Option(help: "Threads of each rank; the default is the cores that this rank may use.")
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "Time without progress of a rank after which the job ends; 0 is never.",
      valueName: "seconds"))
  var stallTimeout = Int(StallWatch.limit)

  func validate() throws {
    try ValidationError.check("stall-timeout", stallTimeout, in: 0...604_800)
    try ValidationError.check("tile", tile, in: 1...16384)
    try ValidationError.check("threads", threads, in: 1...1024)
    try ValidationError.check("mc-samples", mcSamples, in: 0...10_000)
    if let seed, mcSamples == 0 {
      throw ValidationError(
        "seed", expected: "--mc-samples too, whose passes it seeds", found: "\(seed) alone",
        hint: "leave it out, or give --mc-samples N")
    }
    if mcSamples > 0 && tta {
      throw ValidationError(
        "mc-samples", expected: "0 beside --tta", found: "\(mcSamples)",
        hint: "leave one of them out; a mean over both is not made")
    }
    if checkpoint.count > 64 {
      throw ValidationError(
        "checkpoint", expected: "at most 64 of them", found: "\(checkpoint.count)",
        hint: "take the best of them")
    }
  }

  /// What each network's probabilities are averaged over.
  var averaging: Averaging {
    if tta { return .symmetries }
    return mcSamples > 0 ? .dropout(samples: mcSamples, seed: seed ?? 0) : .none
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
      NamedDigest(name: "--checkpoint", lines: checkpoint),
      NamedDigest(name: "--tile", text: tile.map(String.init) ?? "best"),
      NamedDigest(name: "--tta", text: "\(tta)"),
      NamedDigest(name: "--mc-samples", text: "\(mcSamples)"),
      NamedDigest(name: "--seed", text: "\(seed ?? 0)"),
      NamedDigest(name: "--threshold", text: threshold?.text ?? "none"),
    ]
  }
}

/// Where a threshold comes from.
enum ThresholdChoice: ExpressibleByArgument {
  /// The checkpoint, which has it from its validation images.
  case validation
  /// The command line.
  case value(Double)

  init?(argument: String) {
    if argument == "validation" {
      self = .validation
    } else if let value = Double(argument), value > 0, value < 1 {
      self = .value(value)
    } else {
      return nil
    }
  }

  var text: String {
    switch self {
    case .validation: "validation"
    case .value(let value): "\(value)"
    }
  }

  var defaultValueDescription: String { text }
}
