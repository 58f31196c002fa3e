// The options that all benchmarks share.

package import ArgumentParser
package import Communication
package import Configuration
import Files
import Foundation
package import Network
import Threading

/// Options of every benchmark: the network, repetitions, the form of the report.
package struct BenchmarkOptions: ParsableArguments {
  package init() {}

  @OptionGroup package var architecture: ArchitectureOptions

  @Option(help: "Tiles that each rank takes through the network in one repetition.")
  package var batch = 1

  @Option(help: "Threads a rank (default: the cores it may use).") package var threads: Int?

  @Option(help: "Repetitions that are measured.") package var repetitions = 5

  @Option(help: "Repetitions before those, which are not.") package var warmup = 1

  @Flag(help: "Print one JSON object.") package var json = false

  /// The setting on this rank.
  ///
  /// Collective: all ranks call it together.
  package func setting(for communicator: any Communicator) throws -> BenchmarkSetting {
    let (network, tile) = try communicator.together {
      for (name, value, least) in [
        ("batch", batch, 1), ("threads", threads ?? 1, 1), ("repetitions", repetitions, 1),
        ("warmup", warmup, 0),
      ] {
        guard value < least || value > 4096 else { continue }
        throw ConfigurationError(
          option: name, expected: "a whole number from \(least) to 4096", found: "\(value)")
      }
      return try architecture.network()
    }
    let budget = try ThreadBudget.measure(for: communicator)
    if communicator.rank == communicator.localLeader, threads == nil, let warning = budget.warning {
      printWarning(warning)
    }
    return BenchmarkSetting(
      network: UNet(network), tile: tile, batch: batch, threads: threads ?? budget.threads,
      repetitions: repetitions, warmup: warmup)
  }
}

/// The setting of a benchmark: its options with nothing left open.
package struct BenchmarkSetting {
  /// The threads to measure with; a warning tells where the system grants fewer.
  func team() -> ThreadTeam {
    let team = ThreadTeam(count: threads)
    if let warning = team.warning { printWarning(warning) }
    return team
  }

  package let network: UNet
  package let tile: Int
  package let batch: Int
  package let threads: Int
  package let repetitions: Int
  package let warmup: Int
}
