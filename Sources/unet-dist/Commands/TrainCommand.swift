// `unet-dist train`.

import ArgumentParser
import Communication
import Configuration
import Files
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
      let configuration = try options.configurationOfRun(communicator)
      try Trainer(configuration, communicator: communicator).run()
      try writeReport(of: configuration, communicator)
    }
  }

  /// Writes the page of the finished run, on rank 0, once the memory of the training is free.
  ///
  /// A run whose page cannot be written has succeeded all the same.
  private func writeReport(
    of configuration: TrainingConfiguration, _ communicator: any Communicator
  ) throws {
    let threads = try configuration.threads ?? ThreadBudget.measure(for: communicator).threads
    try communicator.together {
      guard communicator.rank == 0 else { return }
      do {
        let path = try RunReporter(threads: threads).writePage(of: configuration.output)
        printNote("the report of the run is \(path)")
      } catch {
        printWarning("no report was written: \(error)")
      }
    }
  }
}

extension TrainOptions {
  /// The configuration, where a run resumed without --config takes the one in its folder; collective.
  ///
  /// Rank 0 reads that file for all, because the others' hosts need not have the folder.
  fileprivate func configurationOfRun(
    _ communicator: any Communicator
  ) throws -> TrainingConfiguration {
    let (asked, text) = try communicator.together { () throws -> (TrainingConfiguration, [UInt8]) in
      let asked = try configuration()
      let written = asked.output + "/config.yaml"
      guard communicator.rank == 0, asked.resume != nil, config == nil,
        FileManager.default.fileExists(atPath: written)
      else { return (asked, []) }
      return (asked, try InputFile.contents(of: written, limit: ConfigurationFile.sizeLimit))
    }
    let shared = try communicator.allgatherv(text)[0]
    guard !shared.isEmpty else { return asked }
    return try communicator.together {
      try configuration(
        yaml: String(decoding: shared, as: UTF8.self), file: asked.output + "/config.yaml")
    }
  }
}
