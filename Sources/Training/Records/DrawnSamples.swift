// The samples that the ranks have computed in a step.

import Communication
import Datasets

/// The samples of a step over all ranks, in the order of the global batch, as their tiles were filled.
package struct DrawnSamples: Equatable, Sendable {
  /// The number of each sample's image in its data set.
  package var samples: [Int]
  /// The identity of each draw in its epoch; with the epoch it keys all that is random of the sample.
  package var draws: [Int]

  package init(samples: [Int], draws: [Int]) { (self.samples, self.draws) = (samples, draws) }

  /// What all ranks tell of the tiles that they were given; collective.
  static func gather(_ own: LoadedBatch, _ communicator: any Communicator) throws -> DrawnSamples {
    let all = try communicator.allgatherv(own.samples.flatMap { [$0.sample, $0.draw] }).joined()
    return DrawnSamples(
      samples: all.enumerated().filter { $0.offset.isMultiple(of: 2) }.map(\.element),
      draws: all.enumerated().filter { !$0.offset.isMultiple(of: 2) }.map(\.element))
  }
}
