// The learning-rate range test: how the loss goes while the rate rises.

package import Communication
package import Configuration
import Datasets
import Foundation
import Kernels
import Network

/// What a rising learning rate does to the loss (Smith 2017, "Cyclical Learning Rates for Training
/// Neural Networks", arXiv 1506.01186, section 3.3).
///
/// Step i of n takes the rate low (high / low)^(i / (n - 1)). Losses are smoothed by an average with a
/// decay of 0.9 that is free of its start (divided by 1 - 0.9^(i + 1)). The test ends early where the
/// smoothed loss is more than four times its smallest, or not finite.
package struct LearningRateRange: Sendable {
  /// One step.
  package struct Point: Sendable, Equatable {
    package let rate: Double
    package let loss: Double
    package let smoothedLoss: Double
  }

  /// The steps in order.
  package private(set) var points: [Point] = []

  /// Adds a step.
  ///
  /// - Returns: whether the test goes on.
  package mutating func add(rate: Double, loss: Double) -> Bool {
    // What the average would be without the division.
    let count = points.count
    let before = points.last.map { $0.smoothedLoss * (1 - pow(0.9, Double(count))) } ?? 0
    let smoothed = (0.9 * before + 0.1 * loss) / (1 - pow(0.9, Double(count + 1)))
    points.append(Point(rate: rate, loss: loss, smoothedLoss: smoothed))
    let smallest = points.map(\.smoothedLoss).min() ?? 0
    return smoothed.isFinite && smoothed <= 4 * smallest
  }

  /// An empty test.
  package init() {}

  /// The rate at which the smoothed loss falls fastest with the logarithm of the rate; nil where it
  /// never falls.
  package var steepest: Double? {
    let slopes = zip(points, points.dropFirst()).map { first, second in
      (second.smoothedLoss - first.smoothedLoss) / log(second.rate / first.rate)
    }
    guard let (index, slope) = slopes.enumerated().min(by: { $0.element < $1.element }), slope < 0
    else { return nil }
    return points[index + 1].rate
  }

  /// A tenth of the rate at which the smoothed loss is smallest; nil where that is at an end of the rates, beyond
  /// which it may be smaller, or where no step was finite.
  package var suggestion: Double? {
    let smallest = points.indices.filter { points[$0].smoothedLoss.isFinite }.min {
      points[$0].smoothedLoss < points[$1].smoothedLoss
    }
    guard let smallest, smallest > 0, smallest < points.count - 1 else { return nil }
    return points[smallest].rate / 10
  }
}

extension LearningRateRange {
  /// Runs the test with the network, data and optimiser of a run that is never written; collective.
  ///
  /// The number of steps is that of `configuration`, its schedule and its evaluations are of no
  /// matter. A run that is resumed has no test.
  ///
  /// - Precondition: 0 < low < high.
  package static func run(
    _ configuration: TrainingConfiguration, from low: Double, to high: Double,
    communicator: any Communicator
  ) throws -> LearningRateRange {
    precondition(0 < low && low < high, "rates from \(low) to \(high)")
    let display = RunDisplay()
    defer { display.finish() }
    try configuration.verifySameStart(communicator)
    try communicator.verifyEqualOnAllRanks([
      NamedDigest(name: "--from", text: "\(low)"), NamedDigest(name: "--to", text: "\(high)"),
    ])
    let plan = try RunPlan(configuration, display: display, communicator: communicator)
    let step = try plan.step(display, communicator)
    try plan.begin(step, say: display.write, warn: display.warn, communicator)
    let loader = plan.loader(communicator, startStep: 0)
    defer { loader.close() }
    var range = LearningRateRange()
    let count = plan.totalSteps
    for index in 0..<count {
      let batch = try communicator.together { try loader.next() }
      let rate = low * pow(high / low, Double(index) / Double(max(1, count - 1)))
      let result = try step.run(batch, rate: rate)
      // The loss is the same on all ranks, so all of them end here.
      guard range.add(rate: rate, loss: result.loss) else { break }
    }
    return range
  }
}
