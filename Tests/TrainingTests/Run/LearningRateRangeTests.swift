// The range test of learning rates, on losses worked out by hand.

import Foundation
import Testing
import Training

@Suite struct LearningRateRangeTests {
  @Test func lossesAreSmoothedWithoutTheirStart() {
    var range = LearningRateRange()
    for (rate, loss) in [(0.1, 4.0), (1, 2), (10, 3)] {
      let goesOn = range.add(rate: rate, loss: loss)
      #expect(goesOn)
    }
    // 0.4 / 0.1; (0.36 + 0.2) / 0.19; (0.9 * 0.56 + 0.3) / 0.271.
    let expected = [4, 0.56 / 0.19, 0.804 / 0.271]
    for (point, value) in zip(range.points, expected) {
      #expect(abs(point.smoothedLoss - value) < 1e-12)
    }
    #expect(range.steepest == 1 && range.suggestion == 0.1)
  }

  @Test func endsWhereTheLossExplodes() {
    var range = LearningRateRange()
    _ = range.add(rate: 1, loss: 1)
    let goesOn = range.add(rate: 2, loss: 5)
    #expect(goesOn)
    let stillGoes = range.add(rate: 4, loss: 100)
    #expect(!stillGoes)
    var broken = LearningRateRange()
    _ = broken.add(rate: 1, loss: 1)
    let broke = broken.add(rate: 2, loss: .nan)
    #expect(!broke && broken.suggestion == nil && broken.steepest == nil)
  }

  /// A loss that only falls, or only rises, may be smaller beyond the rates that were tried.
  @Test(arguments: [[3.0], [3, 2, 1], [1, 2, 3]])
  func anEndOfTheRatesIsNoMinimum(_ losses: [Double]) {
    var range = LearningRateRange()
    for (index, loss) in losses.enumerated() { _ = range.add(rate: Double(index + 1), loss: loss) }
    #expect(range.points.count == losses.count && range.suggestion == nil)
  }
}
