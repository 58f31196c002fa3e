// `unet-dist report`.

import ArgumentParser
import Checkpoints
import Communication
import Files
import Reports

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Writes a page on a training run, or on several side by side.",
    discussion: """
      One HTML file, which needs no other and no network: curves, scores by image, pictures of the best, \
      the median and the worst validation image, where the time went, and the options with their reasons. \
      train writes it into its folder when it ends. Under mpirun the ranks share the images.
      """)

  @Argument(help: "Folders of runs, 1 to \(RunReport.runLimit).", completion: .directory)
  var runs: [String]
  @Option(
    help:
      "The page to write; by default report.html in the folder of the run, of several in the working directory.",
    completion: .file())
  var output: String?
  @Option(help: "Threads; the default is the cores that this process may use.")
  var threads: Int?

  func validate() throws {
    if runs.count > RunReport.runLimit {
      throw ValidationError(
        "<runs>: expected 1 to \(RunReport.runLimit) folders of runs, found \(runs.count); write several pages"
      )
    }
    try ValidationError.check("threads", threads, in: 1...1024)
  }

  func run() throws {
    try runCommand { communicator in
      let reporter = RunReporter(communicator, threads: threads)
      let reported = try runs.map { try reporter.run(in: $0) }
      try communicator.together {
        guard communicator.rank == 0 else { return }
        for run in reported {
          for remark in run.remarks { printWarning("\(run.path): \(remark)") }
        }
        let path = output ?? (runs.count == 1 ? runs[0] + "/report.html" : "report.html")
        try RunReport(reported, version: Version.number).write(to: path)
        try printText("\(path)\n".printableLines)
      }
    }
  }
}
