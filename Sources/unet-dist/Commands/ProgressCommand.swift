// `unet-dist progress`, for Scripts/supervise.

import ArgumentParser
import Files
import Training

struct ProgressCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "progress",
    abstract: "Prints where a run stands, for scripts that start it again.",
    discussion: """
      One line: when it was last started, in seconds since 1970, the step after which, and whether it was stopped \
      or goes on. Nothing where it was not started yet.
      """,
    shouldDisplay: false)

  @Argument(help: ArgumentHelp("The folder of the run.", valueName: "run"))
  var folder: String

  // Not one of several ranks, whatever the environment of the script is.
  func run() throws {
    let progress = LoggedProgress(of: folder)
    guard let start = progress.start else { return }
    try printText("\(start.time) \(start.step) \(progress.wasStopped ? "stopped" : "going")\n")
  }
}
