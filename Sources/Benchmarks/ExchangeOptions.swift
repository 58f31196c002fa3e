// The options of benchmarks in which ranks exchange gradients.

import ArgumentParser
package import Communication
import Configuration

/// How gradients are summed, under the names that `train` has.
package struct ExchangeOptions: ParsableArguments {
  package init() {}

  @Option(help: "Sum over ranks: tree or fast.") package var reduction = Reduction.tree

  @Option(help: "Gradients between ranks: none or bf16.") package var compression = Compression.none

  @Option(help: "Sum beside the backward pass: auto, thread, poll or off.")
  package var overlap = Overlap.auto

  @Flag(help: "Each rank keeps its share of the optimiser's state only.")
  package var shardOptimizer = false

  /// What the options come to on this machine.
  ///
  /// Collective: all ranks call it together.
  package func setting(threads: Int, _ communicator: any Communicator) throws -> ExchangeSetting {
    try communicator.together {
      try TrainingConfiguration.checkExchange(
        reduction: reduction, compression: compression, overlap: overlap,
        shardOptimizer: shardOptimizer)
    }
    return ExchangeSetting(
      reduction: reduction, compression: compression,
      overlap: try overlap.resolved(
        threads: threads, budget: try ThreadBudget.measure(for: communicator),
        communicator: communicator),
      isSharded: shardOptimizer && communicator.size > 1)
  }

  /// The options as arguments for another run of this program.
  package var arguments: [String] {
    [
      "--reduction", reduction.rawValue, "--compression", compression.rawValue, "--overlap",
      overlap.rawValue,
    ]
      + (shardOptimizer ? ["--shard-optimizer"] : [])
  }
}

/// The exchange of gradients with nothing left open.
package struct ExchangeSetting {
  package let reduction: Reduction
  package let compression: Compression
  /// Never `auto`.
  package let overlap: Overlap
  package let isSharded: Bool
}

extension Reduction: ExpressibleByArgument {}
extension Compression: ExpressibleByArgument {}
extension Overlap: ExpressibleByArgument {
  /// The way of this name, of today or of before 0.2.0.
  package init?(argument: String) { self.init(name: argument) }
}
