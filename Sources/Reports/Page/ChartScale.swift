// Scales of charts: which numbers stand at an axis, and where.

import Foundation

/// A scale of numbers onto places of a chart.
struct ChartScale {
  let ticks: [(value: Double, label: String)]
  private let range: ClosedRange<Double>
  private let isLogarithmic: Bool
  private let places: (start: Double, end: Double)

  init(
    _ values: ClosedRange<Double>, isLogarithmic: Bool, isWidened: Bool = true,
    from start: Double, to end: Double
  ) {
    self.isLogarithmic = isLogarithmic
    places = (start, end)
    let numbers =
      isLogarithmic
      ? Self.factors(from: values.lowerBound, to: values.upperBound)
      : Self.multiples(from: values.lowerBound, to: values.upperBound)
    let (first, last) = (numbers.first ?? values.lowerBound, numbers.last ?? values.upperBound)
    let shown = isWidened ? first...last : values
    range = isLogarithmic ? log10(shown.lowerBound)...log10(shown.upperBound) : shown
    ticks = numbers.filter { shown.contains($0) }.map { ($0, Self.label($0)) }
  }

  /// About five multiples of a round number, the first not above `low` and the last not below `high`.
  private static func multiples(from low: Double, to high: Double) -> [Double] {
    // Of what hardly varies the number matters, not how: it is drawn in the middle of a tenth around it.
    let margin = high - low <= abs(high) / 1000 ? max(abs(high) / 10, 1e-9) : 0
    let (low, high) = (low - margin, high + margin)
    let step = step((high - low) / 4)
    let first = (low / step).rounded(.down)
    let last = max((high / step).rounded(.up), first + 1)
    return (0...Int(last - first)).map { (first + Double($0)) * step }
  }

  /// Powers of ten, and of few decades their double and fivefold too.
  private static func factors(from low: Double, to high: Double) -> [Double] {
    let (first, last) = (log10(low).rounded(.down), log10(high).rounded(.up))
    let decades = last - first
    let skipped = max(1, (decades / 6).rounded(.up))
    let digits: [Double] = decades <= 3 ? [1, 2, 5] : [1]
    let all = stride(from: first, through: last + skipped, by: skipped).flatMap { power in
      digits.map { $0 * pow(10, power) }
    }
    let start = all.lastIndex { $0 <= low * (1 + 1e-9) } ?? 0
    let end = all[(start + 1)...].firstIndex { $0 >= high * (1 - 1e-9) } ?? all.count - 1
    return Array(all[start...end])
  }

  /// 1, 2 or 5 times a power of ten that is not less.
  private static func step(_ least: Double) -> Double {
    guard least > 0 else { return 1 }
    let power = pow(10, log10(least).rounded(.down))
    return [1, 2, 5, 10].map { $0 * power }.first { $0 >= least * (1 - 1e-9) } ?? least
  }

  private static func label(_ value: Double) -> String {
    if abs(value) < 1e-12 { return "0" }
    if abs(value) >= 1e6 || abs(value) < 1e-3 { return String(format: "%.3g", value) }
    return String(format: "%.4g", value)
  }

  func place(_ value: Double) -> Double {
    let value = isLogarithmic ? log10(value) : value
    return places.start + (value - range.lowerBound) / (range.upperBound - range.lowerBound)
      * (places.end - places.start)
  }
}
