// The course of the learning rate over a run.

import Foundation

/// The learning rate as a pure function of the step.
package struct LearningRateSchedule: Equatable, Sendable {
  /// The course after the warm-up.
  package enum Kind: String, Codable, CaseIterable, Sendable {
    /// The base rate throughout.
    case constant
    /// base * (1 - p)^0.9, p being the part of the run that is done.
    case poly
    /// base * (1 + cos(pi p)) / 2.
    case cosine
  }

  /// The course after the warm-up.
  package let kind: Kind
  /// The rate that the factors multiply.
  package let baseRate: Double
  /// The steps of the linear rise at the start.
  package let warmupSteps: Int
  /// The steps of the whole run.
  package let totalSteps: Int

  /// A schedule from its parts; negative step counts are taken as 0.
  package init(kind: Kind, baseRate: Double, warmupSteps: Int, totalSteps: Int) {
    self.kind = kind
    self.baseRate = baseRate
    self.warmupSteps = max(0, warmupSteps)
    self.totalSteps = max(0, totalSteps)
  }

  /// The rate of the update that follows `step` finished ones, so the first is `rate(at: 0)`.
  ///
  /// During the warm-up, step < W: base * (step + 1) / W, which reaches the base rate with the
  /// last step of it. After it, with p = (step - W) / (T - W) for T steps in all: base for
  /// `constant`, base * (1 - p)^0.9 for `poly`, base * (1 + cos(pi p)) / 2 for `cosine`. From
  /// step T on p is 1. A run extended by resuming therefore follows the curve of its new length.
  package func rate(at step: Int) -> Double {
    let step = max(0, step)
    guard step >= warmupSteps else {
      return baseRate * Double(step + 1) / Double(warmupSteps)
    }
    let remaining = totalSteps - warmupSteps
    let part = remaining > 0 ? min(1, Double(step - warmupSteps) / Double(remaining)) : 1
    switch kind {
    case .constant: return baseRate
    case .poly: return baseRate * pow(1 - part, 0.9)
    case .cosine: return baseRate * (1 + cos(.pi * part)) / 2
    }
  }
}

extension TrainingConfiguration {
  /// Refuses a warm-up that lasts as long as a run of `totalSteps` steps.
  package func checkWarmup(totalSteps: Int) throws(ConfigurationError) {
    guard warmupSteps > 0, warmupSteps >= totalSteps else { return }
    throw ConfigurationError(
      option: "warmup-steps", expected: "fewer than the \(totalSteps) steps of the run",
      found: "\(warmupSteps)")
  }

  /// The schedule of a run of `totalSteps` steps.
  package func learningRateSchedule(totalSteps: Int) -> LearningRateSchedule {
    LearningRateSchedule(
      kind: schedule, baseRate: learningRate, warmupSteps: warmupSteps, totalSteps: totalSteps)
  }
}
