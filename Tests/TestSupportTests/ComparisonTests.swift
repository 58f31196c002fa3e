// The comparisons themselves: they must fail when they should.

import TestSupport
import Testing

@Suite struct ComparisonTests {
  @Test func closeNumbersPass() {
    #expect(expectClose([1, .infinity], [1.000_001, .infinity], absolute: 1e-5, relative: 0))
    #expect(expectClose([100] as [Float], [100.5], absolute: 0, relative: 0.01))
  }

  @Test(arguments: [
    ([1.0, 2.0], [1.0, 2.1]), ([Double.nan], [1.0]), ([1.0], [Double.nan]), ([1.0], []),
    ([Double.infinity], [1.0]), ([1.0], [-Double.infinity]),
  ])
  func distantNumbersFail(actual: [Double], expected: [Double]) {
    withKnownIssue {
      #expect(!expectClose(actual, expected, absolute: 0.01, relative: 0.01))
    }
  }

  @Test func theWorstValueIsNamed() {
    withKnownIssue {
      expectClose([1, 5, 9], [1, 5.5, 10], absolute: 0.1, relative: 0)
    } matching: { issue in
      issue.comments.contains { $0.rawValue.contains("2 of 3 values differ; the worst at 2: 9.0") }
    }
  }

  @Test func wrongGradientIsFound() {
    let square = { (point: [Double]) in point[0] * point[0] + 3 * point[1] }
    let right = gradientDeviation(of: square, at: [2, 1], analytic: [4, 3], epsilon: 1e-5)
    #expect(right.error < 1e-9)
    let wrong = gradientDeviation(of: square, at: [2, 1], analytic: [4, 2], epsilon: 1e-5)
    #expect(wrong.index == 1 && wrong.error > 0.3)
    let broken = gradientDeviation(of: square, at: [2, 1], analytic: [.nan, 3], epsilon: 1e-5)
    #expect(broken.index == 0 && broken.error.isNaN)
  }
}
