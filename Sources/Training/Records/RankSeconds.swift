// Where the time of a step went on every rank, and which rank was the slowest.

package import Communication

/// The parts of a step on all ranks.
package struct RankSeconds: Equatable, Sendable {
  /// The parts of each rank's step, in rank order.
  package let ranks: [StepRecord.Seconds]

  /// The parts of each rank's step, in rank order.
  package init(ranks: [StepRecord.Seconds]) { self.ranks = ranks }

  /// What every rank measured; collective.
  package static func gather(
    _ own: StepRecord.Seconds, _ communicator: any Communicator
  ) throws -> RankSeconds {
    let values = [own.load, own.forward, own.backward, own.reduce, own.update]
    var all = [Double](repeating: 0, count: values.count * communicator.size)
    try values.withUnsafeBytes { values in
      try all.withUnsafeMutableBytes { all in
        try communicator.allGather(values, into: all)
      }
    }
    return RankSeconds(
      ranks: stride(from: 0, to: all.count, by: values.count).map { start in
        StepRecord.Seconds(
          load: all[start], forward: all[start + 1], backward: all[start + 2],
          reduce: all[start + 3], update: all[start + 4])
      })
  }

  /// The rank with most work of its own, for which the others wait.
  package var slowest: Int {
    ranks.indices.max { ranks[$0].work < ranks[$1].work } ?? 0
  }
}

extension StepRecord.Seconds {
  /// Everything but waiting for other ranks.
  package var work: Double { load + forward + backward + update }
}
