// The exact Euclidean distance transform.

import Liveness

/// Exact squared Euclidean distances within a box to the pixels of a set (Felzenszwalb and
/// Huttenlocher 2012): down the columns, then along the rows by the lower envelope of parabolas.
package struct SquaredDistances {
  private let box: PixelBox
  private var values: [Double]

  /// The distances of the pixels of `box` to those of it for which `isInside` is true; where there is
  /// none, they are larger than any within the box.
  package init(in box: PixelBox, _ isInside: (_ row: Int, _ column: Int) -> Bool) {
    self.box = box
    let (height, width) = (box.rows.count, box.columns.count)
    let far = Double(height + width + 1)
    values = [Double](repeating: 0, count: height * width)
    for column in 0..<width {
      Progress.beat()
      var distance = far
      for row in 0..<height {
        let isSet = isInside(box.rows.lowerBound + row, box.columns.lowerBound + column)
        distance = isSet ? 0 : distance + 1
        values[row * width + column] = distance
      }
      distance = far
      for row in (0..<height).reversed() {
        distance = values[row * width + column] == 0 ? 0 : distance + 1
        values[row * width + column] = min(values[row * width + column], distance)
      }
    }
    var squares = [Double](repeating: 0, count: width)
    var centres = [Int](repeating: 0, count: width)
    var starts = [Double](repeating: 0, count: width + 1)
    for row in 0..<height {
      for column in 0..<width {
        let value = values[row * width + column]
        squares[column] = value * value
      }
      Progress.beat()
      var last = 0
      centres[0] = 0
      starts[0] = -.infinity
      starts[1] = .infinity
      for column in 1..<max(width, 1) {
        func crossing(_ other: Int) -> Double {
          let (a, b) = (Double(column), Double(other))
          return ((squares[column] + a * a) - (squares[other] + b * b)) / (2 * a - 2 * b)
        }
        var start = crossing(centres[last])
        while start <= starts[last] {
          last -= 1
          start = crossing(centres[last])
        }
        last += 1
        centres[last] = column
        starts[last] = start
        starts[last + 1] = .infinity
      }
      var current = 0
      for column in 0..<width {
        while starts[current + 1] < Double(column) { current += 1 }
        let offset = Double(column - centres[current])
        values[row * width + column] = offset * offset + squares[centres[current]]
      }
    }
  }

  /// The squared distance of a pixel of the box.
  package func value(_ row: Int, _ column: Int) -> Double {
    values[(row - box.rows.lowerBound) * box.columns.count + column - box.columns.lowerBound]
  }
}
