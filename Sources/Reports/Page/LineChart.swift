// Curves as inline SVG: drawn once, coloured by the page's style.

import Foundation

/// A chart of lines over steps.
///
/// It has no scripts and no colours of its own: the page gives those by the classes `s0`, `s1`, ..., `grid` and
/// `mark`, for light and dark.
struct LineChart {
  /// A line.
  struct Line {
    /// The class that colours it.
    let style: String
    /// Its points in rising order of x.
    let points: [(x: Double, y: Double)]
  }

  /// What is drawn, for people who do not see it.
  let title: String
  let lines: [Line]
  /// Whether equal distances are equal factors.
  var isLogarithmic = false

  private static let size = (width: 460.0, height: 200.0)
  private static let frame = (left: 52.0, right: 14.0, top: 10.0, bottom: 24.0)
  /// Points of a line at most: more would not be seen.
  private static let pointLimit = 400

  /// The points that can be drawn: a run that diverges may have numbers beyond all scales.
  private func drawable(_ line: Line) -> [(x: Double, y: Double)] {
    line.points.filter {
      $0.x.isFinite && abs($0.y) < 1e100 && (!isLogarithmic || $0.y > 1e-100)
    }
  }

  /// The chart as an SVG element, or nil where there is nothing to draw.
  var svg: String? {
    let drawn = lines.map { Line(style: $0.style, points: Self.thinned(drawable($0))) }
    let all = drawn.flatMap(\.points)
    guard let firstX = all.map(\.x).min(), let lastX = all.map(\.x).max(),
      let lowest = all.map(\.y).min(), let highest = all.map(\.y).max()
    else { return nil }
    let vertical = Scale(
      lowest...highest, isLogarithmic: isLogarithmic,
      from: Self.size.height - Self.frame.bottom, to: Self.frame.top)
    let horizontal = Scale(
      firstX...max(lastX, firstX + 1), isLogarithmic: false, isWidened: false,
      from: Self.frame.left, to: Self.size.width - Self.frame.right)
    var parts: [String] = []
    for tick in vertical.ticks {
      let y = text(vertical.place(tick.value))
      parts.append(
        "<path class=\"grid\" d=\"M\(text(Self.frame.left)) \(y)H\(text(Self.size.width - Self.frame.right))\"/>"
          + "<text x=\"\(text(Self.frame.left - 8))\" y=\"\(y)\" dy=\".32em\" text-anchor=\"end\">\(tick.label)</text>"
      )
    }
    for tick in horizontal.ticks {
      parts.append(
        "<text x=\"\(text(horizontal.place(tick.value)))\" y=\"\(text(Self.size.height - 6))\" "
          + "text-anchor=\"middle\">\(tick.label)</text>")
    }
    for line in drawn where !line.points.isEmpty {
      let places = line.points.map {
        "\(text(horizontal.place($0.x))) \(text(vertical.place($0.y)))"
      }
      parts.append(
        places.count > 1
          ? "<path class=\"line \(line.style)\" d=\"M\(places.joined(separator: "L"))\"/>"
          : "<path class=\"line dot \(line.style)\" d=\"M\(places[0])h0\"/>")
    }
    return "<svg viewBox=\"0 0 \(text(Self.size.width)) \(text(Self.size.height))\" role=\"img\" "
      + "aria-label=\"\(title.escapedForPage)\">\(parts.joined())</svg>"
  }

  private func text(_ value: Double) -> String {
    let rounded = (value * 10).rounded() / 10
    return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
  }

  /// The points, or of many the means of as many neighbours each, so that a peak still moves its place.
  private static func thinned(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
    guard points.count > pointLimit else { return points }
    return (0..<pointLimit).map { place in
      let (start, end) = (place * points.count, (place + 1) * points.count)
      let part = points[start / pointLimit..<end / pointLimit]
      let sum = part.reduce(into: (x: 0.0, y: 0.0)) { sum, point in
        sum.x += point.x
        sum.y += point.y
      }
      return (sum.x / Double(part.count), sum.y / Double(part.count))
    }
  }
}

/// A scale of numbers onto places of a chart.
private struct Scale {
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
