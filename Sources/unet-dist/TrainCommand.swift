// `unet-dist train`.

import ArgumentParser
import Training

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Trains a U-Net.",
    discussion: """
      Without data it trains on synthetic cells. Every option can also stand in the file given by \
      --config; a flag wins over the file. The resolved options are written to OUTPUT/config.yaml.
      """)

  @OptionGroup var options: TrainOptions

  func run() throws {
    _ = try options.configuration()
    throw ValidationError("Training is not built into this version yet.")
  }
}
