// `unet-dist train`.

import ArgumentParser
import Communication
import Configuration
import Files
import Foundation
import Liveness
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
    let environment = ProcessInfo.processInfo.environment
    let launcher = Launcher.detect(in: environment)
    if !Supervisor.followParent(in: environment), let supervisor = supervisor(launcher) {
      throw ExitCode(try supervisor.run())
    }
    // Before the ranks meet: by default these signals would end one that has just started.
    StopSignal.catchAll(speaks: launcher?.rank ?? 0 == 0)
    try runCommandWithStatus { communicator in
      Progress.enter(.preparation)
      let configuration = try options.configurationOfRun(communicator)
      StallWatch.shared.allow(Double(configuration.stallTimeout))
      let status = try Trainer(configuration, communicator: communicator).run()
      // What comes now is no step that a signal could let finish.
      StallWatch.shared.onStopSignal(nil)
      try writeReport(of: configuration, status, communicator)
      return status
    }
  }

  /// The parent that starts the run again, where that is asked for and no launcher would have to do it.
  private func supervisor(_ launcher: Launcher?) -> Supervisor? {
    // What is wrong with the options is told by the run.
    guard let asked = try? options.configuration(), asked.maxRestarts > 0 else { return nil }
    if let launcher {
      if launcher.rank ?? 0 == 0 {
        printWarning(
          "--max-restarts is for a single process; \(launcher.command) is started again by Scripts/supervise"
        )
      }
      return nil
    }
    let namesCheckpoint = if case .checkpoint = asked.resume { true } else { false }
    return Supervisor(
      arguments: Array(CommandLine.arguments.dropFirst()), limit: asked.maxRestarts,
      namesCheckpoint: namesCheckpoint
    ) { LoggedProgress(of: asked.output) }
  }

  /// Writes the page of a run that has ended, once the memory of the training is free; collective.
  ///
  /// A run whose page cannot be written has succeeded all the same. Who was asked to stop has little time left: the
  /// page has curves and options then, and no images.
  private func writeReport(
    of configuration: TrainingConfiguration, _ status: JobStatus, _ communicator: any Communicator
  ) throws {
    let folder = configuration.output
    let isStopped = status == .stopped
    // Stopped before its first line it leaves nothing to tell of.
    let isThere = try communicator.allReduceSum([
      communicator.rank == 0 && FileManager.default.fileExists(atPath: folder + "/log.jsonl")
        ? Int64(1) : 0
    ])
    guard isThere != [0] else { return }
    let reporter = RunReporter(
      communicator, threads: configuration.threads,
      secondLimit: isStopped ? 0 : RunReporter.secondsOfATraining)
    do {
      let path = try reporter.writePage(of: folder)
      if communicator.rank == 0 { printNote("the report of the run is \(path)") }
    } catch  where communicator.size == 1 || error is any AgreedFailure {
      if communicator.rank == 0 {
        printWarning("no report was written: \(error); unet-dist report \(folder) makes it again")
      }
    }
  }
}

extension TrainOptions {
  /// The configuration, where a run resumed without --config takes the one in its folder; collective.
  ///
  /// Rank 0 looks into the folder for all, because the others' hosts need not have it.
  fileprivate func configurationOfRun(
    _ communicator: any Communicator
  ) throws -> TrainingConfiguration {
    let asked = try communicator.together { try configuration() }
    // It decides what the ranks do together next.
    try communicator.verifyEqualOnAllRanks([
      NamedDigest(name: "--resume-or-start", text: "\(asked.resumeOrStart)")
    ])
    guard asked.resumeOrStart else { return try configuration(asked, communicator) }
    let hasCheckpoint = try communicator.together {
      try communicator.rank == 0 && RunFolder.hasCheckpoint(in: asked.output)
    }
    let isResumed = try communicator.allReduceSum([hasCheckpoint ? Int64(1) : 0]) != [0]
    guard try isResumed || KeptRunState.exists(in: asked.output, communicator) else { return asked }
    let options = resuming(in: asked.output)
    return try options.configuration(
      try communicator.together { try options.configuration() }, communicator)
  }

  private func configuration(
    _ asked: TrainingConfiguration, _ communicator: any Communicator
  ) throws -> TrainingConfiguration {
    let written = asked.output + "/config.yaml"
    let shared = try communicator.fromFirstRank {
      guard asked.resume != nil, config == nil, FileManager.default.fileExists(atPath: written)
      else { return [] }
      return try InputFile.contents(of: written, limit: ConfigurationFile.sizeLimit)
    }
    guard !shared.isEmpty else { return asked }
    return try communicator.together {
      try configuration(yaml: String(decoding: shared, as: UTF8.self), file: written)
    }
  }
}
