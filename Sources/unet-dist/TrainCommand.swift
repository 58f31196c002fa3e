// `unet-dist train`.

import ArgumentParser
import Communication
import Foundation
import Training

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Trains a U-Net.",
    discussion: """
      Without data it trains on synthetic cells. Every option can also stand in the file given by \
      --config; a flag wins over the file. The resolved options are written to OUTPUT/config.yaml, \
      from where --resume takes them again.
      """)

  @OptionGroup var options: TrainOptions

  func run() throws {
    try runCommand { communicator in
      let configuration = try communicator.together { try options.configurationOfRun() }
      try Trainer(configuration, communicator: communicator).run()
    }
  }
}

extension TrainOptions {
  /// The configuration, where a run resumed without --config takes the one in its folder.
  package func configurationOfRun() throws -> TrainingConfiguration {
    let asked = try configuration()
    let written = asked.output + "/config.yaml"
    guard asked.resume != nil, config == nil, FileManager.default.fileExists(atPath: written) else {
      return asked
    }
    var continued = self
    continued.config = written
    return try continued.configuration()
  }
}
