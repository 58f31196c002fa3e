// The command line: arguments in, exit status out.

import ArgumentParser

@main
struct UNetDist: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unet-dist", abstract: "Trains a U-Net on one process or many.",
    version: "0.1.0",
    subcommands: [
      TrainCommand.self, EvaluateCommand.self, PredictCommand.self, InspectCommand.self,
      SynthCommand.self, BenchCommand.self,
    ])
}
