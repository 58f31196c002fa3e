// Compares a gradient that was worked out with one that is measured by differences.

/// The place where an analytic gradient and a measured one differ most.
package struct GradientDeviation: Sendable, CustomStringConvertible {
  /// |analytic - measured| / max(1, |analytic|, |measured|) at `index`.
  package var error: Double
  /// The place in the point.
  package var index: Int
  /// The derivative that was worked out.
  package var analytic: Double
  /// The derivative by differences.
  package var measured: Double

  /// All four in one line.
  package var description: String {
    "error \(error) at \(index): analytic \(analytic), measured \(measured)"
  }
}

/// The largest difference between `analytic` and the central differences of `loss` around `point`.
///
///     measured(i) = (loss(point + epsilon * e_i) - loss(point - epsilon * e_i)) / (2 * epsilon)
///
/// The error of the measurement is about epsilon^2 times the third derivative, plus the rounding
/// of the loss over epsilon: where the loss goes through Float, that is 1e-7 / epsilon, so take an
/// epsilon of 1e-2 there and 1e-5 where all is Double. Stay away from kinks.
///
/// - Parameter indices: The places to look at; nil for all.
/// - Complexity: Two losses a place.
package func gradientDeviation(
  of loss: ([Double]) throws -> Double, at point: [Double], analytic: [Double], epsilon: Double,
  indices: [Int]? = nil
) rethrows -> GradientDeviation {
  precondition(
    point.count == analytic.count, "\(analytic.count) derivatives of \(point.count) values")
  var worst = GradientDeviation(error: 0, index: -1, analytic: 0, measured: 0)
  var moved = point
  for index in indices ?? Array(point.indices) {
    moved[index] = point[index] + epsilon
    let above = try loss(moved)
    moved[index] = point[index] - epsilon
    let below = try loss(moved)
    moved[index] = point[index]
    let measured = (above - below) / (2 * epsilon)
    let scale = max(1, abs(measured), abs(analytic[index]))
    let error = abs(measured - analytic[index]) / scale
    // NaN compares with nothing, and must not pass for small.
    if worst.index < 0 || !(error <= worst.error) {
      worst = GradientDeviation(
        error: error, index: index, analytic: analytic[index], measured: measured)
    }
    if error.isNaN { break }
  }
  return worst
}
