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
    let vertical = ChartScale(
      lowest...highest, isLogarithmic: isLogarithmic,
      from: Self.size.height - Self.frame.bottom, to: Self.frame.top)
    let horizontal = ChartScale(
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
