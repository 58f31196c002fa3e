// The learning-rate range test as a benchmark: its report.

package import Communication
package import Configuration
package import Files
package import Training

/// The range test of learning rates; see `LearningRateRange`.
package enum LearningRateBenchmark {
  /// Runs the test and gives what it found, the same on all ranks; collective.
  package static func run(
    _ configuration: TrainingConfiguration, from low: Double, to high: Double,
    communicator: any Communicator
  ) throws -> LearningRateRange {
    try LearningRateRange.run(configuration, from: low, to: high, communicator: communicator)
  }
}

extension LearningRateRange {
  /// One row for about each tenth of the way, and what follows.
  package var text: String {
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
      (
        "--learning-rate",
        suggestion?.scientific
          ?? "unknown: the loss is smallest at an end of the rates; widen --from and --to"
      ),
    ]
    return table.text + rows.map { "\($0.0) \($0.1)\n" }.joined()
  }

  package var json: JSONValue {
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
