// The shapes of objects, and which pixels lie in them.

/// A place in an image, in pixels from its top left corner.
///
/// The first pixel reaches from 0 to 1 in both directions, so that its centre is at 0.5, 0.5.
package struct Point: Sendable, Equatable {
  /// To the right.
  package let x: Double
  /// Downwards.
  package let y: Double

  /// A place; nil where a coordinate is not finite.
  package init?(x: Double, y: Double) {
    guard x.isFinite && y.isFinite else { return nil }
    self.x = x
    self.y = y
  }
}

/// A shape of an object: a pixel is in it when its centre is.
package enum Shape: Sendable, Equatable {
  /// A closed polygon, by the even-odd rule.
  case polygon([Point])
  /// Closed polygons together, by the even-odd rule: one within another is a hole.
  case polygons([[Point]])
  /// An ellipse of these half axes.
  case ellipse(centre: Point, horizontal: Double, vertical: Double)
  /// Pixels of the whole image by themselves.
  case runs(RunLengths)
  /// Pixels of a rectangle by themselves, row by row; `left` and `top` are its first column and row.
  case bitmap(left: Int, top: Int, size: ImageSize, inside: [Bool])

  /// An upright rectangle between two corners; nil where a coordinate is not finite.
  static func rectangle(_ left: Double, _ top: Double, _ right: Double, _ bottom: Double) -> Shape?
  {
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom)].compactMap {
      Point(x: $0, y: $1)
    }
    return corners.count == 4 ? .polygon(corners) : nil
  }

  /// Calls `body` with the runs of pixels of an image that lie in the shape: a row and its columns.
  ///
  /// Rows come in ascending order; those of `runs` in that of their columns. What lies beyond the image
  /// is left out.
  package func forEachRun(in size: ImageSize, _ body: (_ row: Int, _ columns: Range<Int>) -> Void) {
    switch self {
    case .polygon(let points): fillPolygons([points], in: size, body)
    case .polygons(let outlines): fillPolygons(outlines, in: size, body)
    case .ellipse(let centre, let horizontal, let vertical):
      fillEllipse(centre: centre, horizontal, vertical, in: size, body)
    case .runs(let runs):
      runs.forEachPixel(in: size) { row, column in body(row, column..<column + 1) }
    case .bitmap(let left, let top, let own, let inside):
      for (index, isInside) in inside.enumerated() where isInside {
        let (row, column) = (top + index / own.width, left + index % own.width)
        if (0..<size.height).contains(row) && (0..<size.width).contains(column) {
          body(row, column..<column + 1)
        }
      }
    }
  }
}

/// Fills polygons together by the even-odd rule, sampled at the centres of pixels.
///
/// In the row of centres y an edge from (x0, y0) to (x1, y1) is crossed where one end is at or above y and
/// the other below it, at x0 + (y - y0) (x1 - x0) / (y1 - y0). The pixels between the first crossing and the
/// second, the third and the fourth, ... are inside: those whose centre is at or right of the one and left of
/// the other. So polygons that share an edge share no pixel and leave none out.
private func fillPolygons(
  _ outlines: [[Point]], in size: ImageSize, _ body: (_ row: Int, _ columns: Range<Int>) -> Void
) {
  let edges = outlines.flatMap { points in
    zip(points, points.dropFirst() + points.prefix(1)).filter { $0.y != $1.y }
  }
  let heights = outlines.joined().map(\.y)
  guard let top = heights.min(), let bottom = heights.max() else { return }
  let rows = centres(from: top, to: bottom, count: size.height)
  var crossings: [Double] = []
  for row in rows {
    let y = Double(row) + 0.5
    crossings.removeAll(keepingCapacity: true)
    for (start, end) in edges where (start.y <= y) != (end.y <= y) {
      crossings.append(start.x + (y - start.y) * ((end.x - start.x) / (end.y - start.y)))
    }
    crossings.sort()
    for pair in stride(from: 0, to: crossings.count - 1, by: 2) {
      let columns = centres(from: crossings[pair], to: crossings[pair + 1], count: size.width)
      if !columns.isEmpty { body(row, columns) }
    }
  }
}

/// Fills an ellipse: ((x - cx) / horizontal)^2 + ((y - cy) / vertical)^2 < 1 at the centres of pixels.
private func fillEllipse(
  centre: Point, _ horizontal: Double, _ vertical: Double, in size: ImageSize,
  _ body: (_ row: Int, _ columns: Range<Int>) -> Void
) {
  guard horizontal > 0 && vertical > 0 else { return }
  for row in centres(from: centre.y - vertical, to: centre.y + vertical, count: size.height) {
    let height = (Double(row) + 0.5 - centre.y) / vertical
    guard abs(height) < 1 else { continue }
    let reach = horizontal * (1 - height * height).squareRoot()
    let columns = centres(from: centre.x - reach, to: centre.x + reach, count: size.width)
    if !columns.isEmpty { body(row, columns) }
  }
}

/// The indices of 0..<count whose centres, 0.5 behind them, are at `low` or above, and below `high`.
private func centres(from low: Double, to high: Double, count: Int) -> Range<Int> {
  func index(_ place: Double) -> Int {
    // Held to the image before it becomes an integer; NaN, of infinite slopes, is nowhere.
    place.isNaN ? 0 : Int(min(max((place - 0.5).rounded(.up), 0), Double(count)))
  }
  let (first, last) = (index(low), index(high))
  return first..<max(first, last)
}
