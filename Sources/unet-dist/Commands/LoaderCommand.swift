// `unet-dist bench loader`: how fast tiles are made.

import ArgumentParser
import Benchmarks
import Communication
import Configuration
import Files

extension BenchCommand {
  struct Loader: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "loader",
      abstract: "Makes the tiles of a run without training, and tells how many a second.",
      discussion: """
        Takes the options of train; nothing is written. One thread of each rank makes tiles, as it does \
        beside training, where more join it when steps wait.
        """)

    @Option(help: "Tiles of a repetition.") var tiles = 200
    @Option(help: "Repetitions.") var repetitions = 5
    @Flag(help: "Print one JSON object instead of a table.") var json = false
    @OptionGroup var options: TrainOptions

    func validate() throws {
      try ValidationError.check("tiles", tiles, in: 1...1_000_000)
      try ValidationError.check("repetitions", repetitions, in: 1...4096)
    }

    func run() throws {
      try runCommand { communicator in
        let configuration = try communicator.together {
          let configuration = try options.configuration()
          if configuration.provenance.given.contains("resume") {
            throw ConfigurationError(
              option: "resume", expected: "a run that begins", found: "--resume")
          }
          return configuration.withoutMinutes
        }
        let benchmark = try LoaderBenchmark(
          configuration, tiles: tiles, repetitions: repetitions, communicator: communicator)
        guard communicator.rank == 0 else { return }
        try printText(json ? benchmark.json.json + "\n" : benchmark.text)
      }
    }
  }
}
