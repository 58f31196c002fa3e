// `unet-dist bench learning-rate`: the range test.

import ArgumentParser
import Communication
import Configuration
import Files
import Training

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

    @Option(help: "The first rate.") var from = 1e-6
    @Option(help: "The last rate.") var to = 1.0
    @Flag(help: "Print one JSON object instead of a table.") var json = false
    @OptionGroup var options: TrainOptions

    func validate() throws {
      guard from > 0, from < to, to.isFinite else {
        throw ValidationError(
          "--from and --to: expected 0 < from < to, found \(from) and \(to)")
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
        let range = try LearningRateRange.run(
          configuration, from: from, to: to, communicator: communicator)
        guard communicator.rank == 0 else { return }
        printText(json ? range.json.json + "\n" : range.text)
      }
    }

    private static let steps = 100
  }
}

extension LearningRateRange {
  /// One row for about each tenth of the way, and what follows.
  fileprivate var text: String {
    var table = TextTable(["rate", "loss", "smoothed"])
    let interval = max(1, points.count / 20)
    for (index, point) in points.enumerated()
    where index.isMultiple(of: interval) || index == points.count - 1 {
      table.add([
        point.rate.scientific, point.loss.decimals(4), point.smoothedLoss.decimals(4),
      ])
    }
    let rows = [
      ("steepest fall at", steepest?.scientific ?? "none"),
      ("--learning-rate", suggestion?.scientific ?? "none"),
    ]
    return table.text + rows.map { "\($0.0) \($0.1)\n" }.joined()
  }

  fileprivate var json: JSONValue {
    [
      "points": .list(
        points.map {
          [
            "rate": .number($0.rate), "loss": .number($0.loss),
            "smoothed_loss": .number($0.smoothedLoss),
          ]
        }),
      "steepest_rate": steepest.map { .number($0) } ?? .null,
      "suggested_rate": suggestion.map { .number($0) } ?? .null,
    ]
  }
}
