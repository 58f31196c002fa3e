// How far the outlines of a class lie from the true ones.

import Morphology
import Tensors

/// Distances between the outlines of a class in the truth and in a prediction, in pixels.
///
/// An outline is the pixels of the class that have an edge in common with another class; the edge of the
/// image and pixels that are ignored are no other class. With d(a, B) the distance of a pixel a to the
/// nearest one of the outline B, from centre to centre,
///
///     ASSD = (sum over A of d(a, B) + sum over B of d(b, A)) / (|A| + |B|)
///     HD95 = max(the 95th percentile of d(a, B), that of d(b, A))
///
/// the average symmetric surface distance and the robust Hausdorff distance (Maier-Hein et al. 2024,
/// "Metrics reloaded", Nature Methods 21). Percentiles are interpolated between the values around.
package struct SurfaceDistances: Sendable, Equatable, Codable {
  /// The average symmetric surface distance.
  package let average: Double
  /// The greater of the 95th percentiles of both directions.
  package let hausdorff95: Double

  /// Distances from elsewhere.
  package init(average: Double, hausdorff95: Double) {
    self.average = average
    self.hausdorff95 = hausdorff95
  }

  /// The distances of the outlines of `label`; nil where one of them has no pixel.
  ///
  /// Pixels whose true label is 255 are left out.
  ///
  /// - Precondition: the counts fit the size.
  package init?(of label: UInt8, truth: [UInt8], prediction: [UInt8], width: Int, height: Int) {
    precondition(
      truth.count == width * height && prediction.count == truth.count,
      "\(truth.count) and \(prediction.count) labels for \(width) x \(height)")
    func outline(_ labels: [UInt8]) -> [Bool] {
      let isInside = labels.map { $0 == label }
      func isOther(_ place: Int) -> Bool {
        !isInside[place] && truth[place] != ignoredLabel
      }
      return labels.indices.map { place in
        guard isInside[place], truth[place] != ignoredLabel else { return false }
        let (row, column) = (place / width, place % width)
        return row > 0 && isOther(place - width) || row + 1 < height && isOther(place + width)
          || column > 0 && isOther(place - 1) || column + 1 < width && isOther(place + 1)
      }
    }
    let outlines = [outline(truth), outline(prediction)]
    guard outlines.allSatisfy({ $0.contains(true) }) else { return nil }
    let image = PixelBox(rows: 0..<height, columns: 0..<width)
    let directions = zip(outlines, outlines.reversed()).map { from, to in
      let squares = SquaredDistances(in: image) { row, column in to[row * width + column] }
      return from.indices.filter { from[$0] }
        .map { squares.value($0 / width, $0 % width).squareRoot() }.sorted()
    }
    average =
      directions.reduce(0) { $0 + $1.reduce(0, +) }
      / Double(directions.reduce(0) { $0 + $1.count })
    hausdorff95 = directions.map { Self.percentile95(sorted: $0) }.reduce(0, max)
  }

  /// The value below which 95 % of at least one value lie, linear between its neighbours.
  private static func percentile95(sorted values: [Double]) -> Double {
    let position = 0.95 * Double(values.count - 1)
    let low = Int(position)
    let high = min(low + 1, values.count - 1)
    return values[low] + (values[high] - values[low]) * (position - Double(low))
  }
}
