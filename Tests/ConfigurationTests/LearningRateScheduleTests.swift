// The learning rate at chosen steps, against the formulas worked by hand.

import Configuration
import Foundation
import Testing

@Suite struct LearningRateScheduleTests {
  private func rates(_ kind: LearningRateSchedule.Kind, warmup: Int, at steps: [Int]) -> [Double] {
    let schedule = LearningRateSchedule(
      kind: kind, baseRate: 0.8, warmupSteps: warmup, totalSteps: 100)
    return steps.map(schedule.rate(at:))
  }

  @Test func constant() {
    #expect(rates(.constant, warmup: 0, at: [0, 1, 99, 100, 1000]) == [0.8, 0.8, 0.8, 0.8, 0.8])
  }

  @Test func poly() {
    let found = rates(.poly, warmup: 0, at: [0, 50, 75, 100, 200])
    // 0.5^0.9 = 0.535887, 0.25^0.9 = 0.287175.
    for (rate, expected) in zip(found, [0.8, 0.428709, 0.229740, 0, 0]) {
      #expect(abs(rate - expected) < 1e-6)
    }
  }

  @Test func cosine() {
    let found = rates(.cosine, warmup: 0, at: [0, 50, 75, 100, 200])
    // (1 + cos(3 pi / 4)) / 2 = 0.146447.
    for (rate, expected) in zip(found, [0.8, 0.4, 0.117157, 0, 0]) {
      #expect(abs(rate - expected) < 1e-6)
    }
  }

  @Test(arguments: LearningRateSchedule.Kind.allCases)
  func warmupRisesLinearly(kind: LearningRateSchedule.Kind) {
    let found = rates(kind, warmup: 4, at: [0, 1, 2, 3, 4])
    for (rate, expected) in zip(found, [0.2, 0.4, 0.6, 0.8, 0.8]) {
      #expect(abs(rate - expected) < 1e-15)
    }
    // Half of what is left after the warm-up of 20 is step 60.
    let middle = rates(kind, warmup: 20, at: [60])[0]
    let expected =
      switch kind {
      case .constant: 0.8
      case .poly: 0.428709
      case .cosine: 0.4
      }
    #expect(abs(middle - expected) < 1e-6)
  }

  @Test func extremesAreFinite() {
    for kind in LearningRateSchedule.Kind.allCases {
      for (warmup, total) in [(0, 0), (5, 5), (7, 5), (-3, -4), (0, Int.max)] {
        let schedule = LearningRateSchedule(
          kind: kind, baseRate: 1, warmupSteps: warmup, totalSteps: total)
        for step in [-1, 0, 5, 6, Int.max - 1] {
          #expect((0...1).contains(schedule.rate(at: step)))
        }
      }
    }
  }
}
