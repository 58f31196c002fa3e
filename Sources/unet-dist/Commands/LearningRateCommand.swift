// `unet-dist bench learning-rate`: the range test.

import ArgumentParser
import Benchmarks
import Communication
import Configuration
import Files

extension BenchCommand {
  struct LearningRate: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "learning-rate",
      abstract: "Trains with a rising rate, and tells which rates suit a run.",
      discussion: """
        Takes the options of train; the network is not kept. The rate rises from --from to --to over \
        --steps steps (default: 100), each by the same factor. A good rate for a run is about a tenth \
        of the one at which the loss, smoothed, is smallest.
        """)

    @Option(help: ArgumentHelp("The first rate.", valueName: "number")) var from = 1e-6
    @Option(help: ArgumentHelp("The last rate.", valueName: "number")) var to = 1.0
    @Flag(help: "Print one JSON object instead of a table.") var json = false
    @OptionGroup var options: TrainOptions

    func validate() throws {
      guard from > 0, from < to, to.isFinite else {
        throw ValidationError(
          "from", expected: "a number above 0 and below --to \(to)", found: "\(from)",
          hint: "a factor of a thousand or more lies between them")
      }
    }

    func run() throws {
      try runCommand { communicator in
        let configuration = try communicator.together {
          var configuration = try options.configuration()
          if let option = ["resume", "minutes", "epochs"].first(where: {
            configuration.provenance.given.contains($0)
          }) {
            throw ConfigurationError(
              option: option, expected: "a run that begins, of some steps", found: "--\(option)",
              hint: "give --steps N")
          }
          if !configuration.provenance.given.contains("steps") {
            configuration.steps = Self.steps
            configuration.provenance.given.insert("steps")
          }
          return configuration
        }
        let range = try LearningRateBenchmark.run(
          configuration, from: from, to: to, communicator: communicator)
        guard communicator.rank == 0 else { return }
        try printText(json ? range.json.json + "\n" : range.text)
      }
    }

    private static let steps = 100
  }
}
