// The comparison of many numbers in one expectation, and how close they have to be.

package import Testing

/// How far a result may be from the oracle, |actual - expected| <= absolute + relative * |expected|.
package struct Tolerance: Sendable {
  /// What is allowed for any value.
  package var absolute: Double
  /// What is allowed more for each unit of the expected value.
  package var relative: Double

  /// A tolerance.
  package init(absolute: Double, relative: Double) {
    self.absolute = absolute
    self.relative = relative
  }

  /// The same bits, or both zero.
  package static let exact = Tolerance(absolute: 0, relative: 0)

  /// One rounding to Float of a number that was computed in Double: 2^-24 is 6e-8.
  package static let rounding = Tolerance(absolute: 1e-7, relative: 1e-7)

  /// Sums of up to a few thousand Float products of order one, in any order: rounding errors add
  /// up like a random walk, 6e-8 * sqrt(4096) = 4e-6, with some room.
  package static let direct = Tolerance(absolute: 1e-5, relative: 1e-5)

  /// Winograd F(4x4, 3x3): its transforms multiply by up to 8 and cancel again; errors
  /// against direct convolution are 2e-6 to 4e-5 for values of order one.
  package static let winograd = Tolerance(absolute: 2e-4, relative: 2e-4)

  /// Logits and gradients of a whole small network in Float: a dozen convolutions, one after the
  /// other, each with the error of Winograd's transforms; 1.6e-5 is the largest seen.
  package static let network = Tolerance(absolute: 5e-5, relative: 5e-5)

  /// The loss after some steps of training: each step starts with the error of the one before.
  package static let trajectory = Tolerance(absolute: 1e-3, relative: 1e-3)
}

/// Records an issue when a value is further from its oracle than allowed; names the worst one.
///
/// NaN is never close. Infinities are close to themselves.
@discardableResult
package func expectClose(
  _ actual: [Double], _ expected: [Double], absolute: Double, relative: Double,
  _ comment: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation
) -> Bool {
  guard actual.count == expected.count else {
    Issue.record(
      "\(comment()) \(actual.count) values where \(expected.count) are expected",
      sourceLocation: sourceLocation)
    return false
  }
  var failures = 0
  var worst = (index: 0, excess: -Double.infinity)
  for (index, (value, target)) in zip(actual, expected).enumerated() where value != target {
    let error = abs(value - target)
    let allowed = absolute + relative * abs(target)
    // NaN fails here, and so does an infinity on one side.
    if error.isFinite, error <= allowed { continue }
    failures += 1
    let excess = error.isFinite ? error - allowed : .infinity
    if excess > worst.excess { worst = (index, excess) }
  }
  guard failures > 0 else { return true }
  let (value, target) = (actual[worst.index], expected[worst.index])
  Issue.record(
    """
    \(comment()) \(failures) of \(actual.count) values differ; the worst at \(worst.index): \
    \(value), expected \(target), difference \(value - target), \
    allowed \(absolute + relative * abs(target))
    """, sourceLocation: sourceLocation)
  return false
}

/// Records an issue when a value is further from its oracle than allowed; names the worst one.
@discardableResult
package func expectClose(
  _ actual: [Float], _ expected: [Float], absolute: Double, relative: Double,
  _ comment: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation
) -> Bool {
  expectClose(
    actual.map { Double($0) }, expected.map { Double($0) }, absolute: absolute,
    relative: relative, comment(), sourceLocation: sourceLocation)
}

/// Records an issue when a value is further from its oracle than the tolerance.
@discardableResult
package func expectClose(
  _ actual: [Float], _ expected: [Float], _ tolerance: Tolerance,
  _ comment: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation
) -> Bool {
  expectClose(
    actual, expected, absolute: tolerance.absolute, relative: tolerance.relative, comment(),
    sourceLocation: sourceLocation)
}

/// Records an issue when a value is further from its oracle than the tolerance.
@discardableResult
package func expectClose(
  _ actual: [Double], _ expected: [Double], _ tolerance: Tolerance,
  _ comment: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation
) -> Bool {
  expectClose(
    actual, expected, absolute: tolerance.absolute, relative: tolerance.relative, comment(),
    sourceLocation: sourceLocation)
}
