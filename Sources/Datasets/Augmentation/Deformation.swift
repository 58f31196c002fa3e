// Rotation by any angle, scaling and elastic displacement as one map from a tile to its image.

package import Randomness

/// The map from the pixels of a tile to places in the image it is resampled from.
///
/// With (v, u) the row and column of a tile's pixel from the tile's centre, T the quarter turns and
/// flips, theta the angle and s the enlargement:
///
///     (y, x) = centre of the window + R T(v, u) / s + displacement(i, j)
///     R(y, x) = (y cos theta + x sin theta, x cos theta - y sin theta)
///
/// All steps of geometry are in this one map, so the source is resampled once.
package struct Deformation {
  /// Radians, counter-clockwise.
  package var angle = 0.0
  /// Factor by which things appear larger.
  package var enlargement = 1.0
  package var field: ElasticField?

  /// The deformation that changes nothing.
  package init() {}

  /// The places of the tile's pixels: for each pixel a row and a column of the image.
  ///
  /// - Parameters:
  ///   - side: the side of the tile.
  ///   - outputSide: the side of the window in its centre, which `placement` places.
  ///   - width, height: the extents of the image.
  package func map(
    _ placement: Augmentation.Placement, side: Int, outputSide: Int, width: Int, height: Int
  ) -> PlaceMap {
    let half = Double(outputSide - 1) / 2
    let (rowSign, columnSign) = (
      placement.reversesRows ? -1.0 : 1.0, placement.reversesColumns ? -1.0 : 1.0
    )
    // T: (y, x) of the image's axes from (v, u) of the tile's.
    let (yv, yu, xv, xu) =
      placement.isTransposed ? (0, rowSign, columnSign, 0) : (rowSign, 0, 0, columnSign)
    let (sine, cosine) = (Trigonometry.sine(angle), Trigonometry.cosine(angle))
    let (c, s) = (cosine / enlargement, sine / enlargement)
    return PlaceMap(
      centreRow: Double(placement.row) + half, centreColumn: Double(placement.column) + half,
      rowByRow: c * yv + s * xv, rowByColumn: c * yu + s * xu,
      columnByRow: c * xv - s * yv, columnByColumn: c * xu - s * yu,
      side: side, width: width, height: height,
      field: field.map { SampledField($0, side: side) })
  }
}

/// Displacements at the points of a square grid over a tile, from border to border.
package struct ElasticField {
  /// Points along each axis.
  package let points: Int
  /// Rows by grid point, row by row; then columns.
  package let rows: [Float]
  package let columns: [Float]

  /// Normal displacements of `deviation` pixels.
  package init(points: Int, deviation: Double, stream: RandomStream) {
    self.points = points
    var stream = stream
    var rows: [Float] = []
    var columns: [Float] = []
    for _ in 0..<points * points {
      let (row, column) = stream.normalPair()
      rows.append(row * Float(deviation))
      columns.append(column * Float(deviation))
    }
    self.rows = rows
    self.columns = columns
  }

  /// The factors of the grid points at `position` in 0...points - 1: Keys' cubic convolution with
  /// a = -1/2 (Keys 1981), border points repeated.
  package static func factors(at position: Double, points: Int) -> [Float] {
    let first = min(max(Int(position), 0), points - 2)
    let t = position - Double(first)
    let (t2, t3) = (t * t, t * t * t)
    let cubic = [
      -0.5 * t3 + t2 - 0.5 * t, 1.5 * t3 - 2.5 * t2 + 1, -1.5 * t3 + 2 * t2 + 0.5 * t,
      0.5 * t3 - 0.5 * t2,
    ]
    var factors = [Float](repeating: 0, count: points)
    for (offset, factor) in cubic.enumerated() {
      factors[min(max(first - 1 + offset, 0), points - 1)] += Float(factor)
    }
    return factors
  }
}

/// An elastic field with the factors of its grid points for every row and column of a tile.
struct SampledField {
  let field: ElasticField
  /// The factors [pixel, grid point] along an axis, the same for rows and columns.
  private let factors: [[Float]]
  /// The same [grid point, pixel], with room for whole vectors.
  private let columnFactors: [[Float]]

  init(_ field: ElasticField, side: Int) {
    self.field = field
    let step = Double(field.points - 1) / Double(max(1, side - 1))
    let factors = (0..<side).map {
      ElasticField.factors(at: Double($0) * step, points: field.points)
    }
    self.factors = factors
    let padded = (side + 15) / 16 * 16
    columnFactors = (0..<field.points).map { point in
      factors.map { $0[point] } + [Float](repeating: 0, count: padded - side)
    }
  }

  /// Adds the displacements of row `row` of the tile to `rows` and `columns`, which have room for
  /// whole vectors of sixteen.
  func add(
    row: Int, vectors: Int, rows: UnsafeMutablePointer<SIMD16<Float>>,
    columns: UnsafeMutablePointer<SIMD16<Float>>
  ) {
    let points = field.points
    for point in 0..<points {
      var (rowValue, columnValue): (Float, Float) = (0, 0)
      for other in 0..<points {
        let factor = factors[row][other]
        rowValue += factor * field.rows[other * points + point]
        columnValue += factor * field.columns[other * points + point]
      }
      columnFactors[point].withUnsafeBytes { bytes in
        for vector in 0..<vectors {
          let factor = bytes.loadUnaligned(fromByteOffset: vector * 64, as: SIMD16<Float>.self)
          rows[vector] += factor * rowValue
          columns[vector] += factor * columnValue
        }
      }
    }
  }
}

/// Sines and cosines by basic operations alone, so that no C library decides the bits of a tile.
package enum Trigonometry {
  /// The sine of `angle` in -pi...pi, within 1e-12: the Taylor series after folding to a quarter turn.
  package static func sine(_ angle: Double) -> Double {
    var x = angle
    if x > .pi / 2 { x = .pi - x }
    if x < -.pi / 2 { x = -.pi - x }
    let square = x * x
    var (term, sum) = (x, x)
    for factor in stride(from: 2.0, through: 18, by: 2) {
      term *= -square / (factor * (factor + 1))
      sum += term
    }
    return sum
  }

  /// The cosine of `angle` in -pi...pi, within 1e-12.
  package static func cosine(_ angle: Double) -> Double {
    sine(angle > .pi / 2 ? angle - 1.5 * .pi : angle + .pi / 2)
  }
}
