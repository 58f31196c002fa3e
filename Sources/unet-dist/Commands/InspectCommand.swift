// `unet-dist inspect`: what a network costs, and what a checkpoint holds.

import ArgumentParser
import Checkpoints
import Communication
import Configuration
import Files
import Foundation
import Network

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Shows a network's layers, memory and legal tile sizes.",
    discussion: """
      Multiply-adds are those of the direct algorithm; one counts as two floating-point \
      operations. With a checkpoint it shows the file's metadata and tensors, and the network that \
      the checkpoint names instead of the one described by options.
      """)

  @Argument(
    help: "A checkpoint, or the folder of a run, of which it is the best; its network is shown.",
    completion: .file())
  var checkpoint: String?

  @OptionGroup var architecture: ArchitectureOptions

  @Option(help: "Threads that the memory is counted for (default: the cores it may use).")
  var threads: Int?

  @Flag(help: "Show how each layer is computed: algorithms, schedules and multiply-adds.")
  var plan = false

  @Flag(help: "Print one JSON object.") var json = false

  func validate() throws { try ValidationError.check("threads", threads, in: 1...4096) }

  func run() throws {
    try runCommand { communicator in
      let budget = try ThreadBudget.measure(for: communicator)
      try communicator.together {
        if communicator.rank == 0 { try show(threads: threads ?? budget.threads) }
      }
    }
  }

  private func show(threads: Int) throws {
    var contents: CheckpointContents?
    var summary: UNetSummary?
    if let checkpoint {
      if let flag = architecture.firstArchitectureFlag {
        throw ConfigurationError(
          option: flag, expected: "no architecture beside a checkpoint, which names its own",
          found: "both", hint: "leave one of them out")
      }
      let file = CheckpointContents(
        try SafetensorsFile.read(Checkpoint.file(at: checkpoint)))
      contents = file
      if let network = try file.network() {
        let tile = try architecture.tile(for: network, preferred: file.tile)
        summary = UNetSummary(UNet(network), height: tile, width: tile)
      }
    } else {
      let (network, tile) = try architecture.network()
      summary = UNetSummary(UNet(network), height: tile, width: tile)
    }
    let report = InspectionReport(
      summary: summary, contents: contents, threads: threads, showsPlan: plan)
    try printText(json ? report.json.json + "\n" : report.text)
  }
}
