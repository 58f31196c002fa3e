// The weight of each pixel in the loss: more where objects nearly touch.

/// The weight map of Ronneberger et al. 2015, section 3:
///
///     w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))
///
/// with w_c the weight of the pixel's class, and d1, d2 the distances of a background pixel to the
/// nearest and the second nearest object, from centre to centre of pixels. Objects are the 8-connected
/// components of the pixels of any class but the first; their own pixels have w_c alone.
package struct WeightMap: Equatable, Sendable {
  /// The weight between objects that touch.
  package let border: Double
  /// The deviation, in pixels.
  package let deviation: Double
  /// The weight of each class.
  package let classWeights: [Float]

  /// The paper's map, w0 = 10 and sigma = 5 pixels.
  package init(border: Double = 10, deviation: Double = 5, classWeights: [Float]) {
    self.border = border
    self.deviation = deviation
    self.classWeights = classWeights
  }

  /// The sum of two distances beyond which the term is below 1e-6 of `border`.
  private var reach: Int { Int((5.3 * deviation).rounded(.up)) }

  /// The weights [height, width] of an image with these labels.
  ///
  /// - Complexity: for each object the pixels of its box, widened by 5.3 deviations.
  package func weights(labels: [UInt8], width: Int, height: Int) -> [Float] {
    precondition(labels.count == width * height, "\(labels.count) labels for \(width) x \(height)")
    let components = Components(labels: labels, width: width, height: height)
    var nearest = [Float](repeating: .infinity, count: labels.count)
    var second = nearest
    for object in 0..<components.boxes.count {
      let box = components.boxes[object].widened(by: reach, width: width, height: height)
      let squares = SquaredDistances(in: box) { row, column in
        components.numbers[row * width + column] == object
      }
      for row in box.rows {
        for column in box.columns {
          let place = row * width + column
          let distance = Float(squares.value(row, column)).squareRoot()
          if distance < nearest[place] {
            second[place] = nearest[place]
            nearest[place] = distance
          } else if distance < second[place] {
            second[place] = distance
          }
        }
      }
    }
    return labels.indices.map { place in
      let label = Int(labels[place])
      let base = label < classWeights.count ? classWeights[label] : 1
      guard components.numbers[place] < 0, second[place].isFinite else { return base }
      let sum = nearest[place] + second[place]
      let exponent = -sum * sum / Float(2 * deviation * deviation)
      return base + Float(border) * Powers.exponential(exponent)
    }
  }
}

/// A rectangle of pixels.
struct PixelBox {
  var rows: Range<Int>
  var columns: Range<Int>

  func widened(by count: Int, width: Int, height: Int) -> PixelBox {
    PixelBox(
      rows: max(0, rows.lowerBound - count)..<min(height, rows.upperBound + count),
      columns: max(0, columns.lowerBound - count)..<min(width, columns.upperBound + count))
  }
}

/// The 8-connected components of the pixels of any class but the first.
struct Components {
  /// The component of each pixel, -1 for the first class.
  private(set) var numbers: [Int]
  /// The boxes of the components.
  private(set) var boxes: [PixelBox] = []

  init(labels: [UInt8], width: Int, height: Int) {
    numbers = [Int](repeating: -1, count: labels.count)
    var stack: [Int] = []
    func isObject(_ place: Int) -> Bool { labels[place] != 0 && labels[place] != 255 }
    for start in labels.indices where isObject(start) && numbers[start] < 0 {
      let number = boxes.count
      var box = PixelBox(
        rows: start / width..<start / width + 1, columns: start % width..<start % width + 1)
      numbers[start] = number
      stack.append(start)
      while let place = stack.popLast() {
        let (row, column) = (place / width, place % width)
        box.rows = min(box.rows.lowerBound, row)..<max(box.rows.upperBound, row + 1)
        box.columns =
          min(box.columns.lowerBound, column)..<max(box.columns.upperBound, column + 1)
        for y in max(0, row - 1)...min(height - 1, row + 1) {
          for x in max(0, column - 1)...min(width - 1, column + 1) {
            let other = y * width + x
            // Classes that touch are objects of their own.
            if numbers[other] < 0 && labels[other] == labels[place] {
              numbers[other] = number
              stack.append(other)
            }
          }
        }
      }
      boxes.append(box)
    }
  }
}

/// Exact squared Euclidean distances within a box to the pixels of a set (Felzenszwalb and
/// Huttenlocher 2012): down the columns, then along the rows by the lower envelope of parabolas.
struct SquaredDistances {
  private let box: PixelBox
  private var values: [Double]

  init(in box: PixelBox, _ isInside: (_ row: Int, _ column: Int) -> Bool) {
    self.box = box
    let (height, width) = (box.rows.count, box.columns.count)
    let far = Double(height + width + 1)
    values = [Double](repeating: 0, count: height * width)
    for column in 0..<width {
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
  func value(_ row: Int, _ column: Int) -> Double {
    values[(row - box.rows.lowerBound) * box.columns.count + column - box.columns.lowerBound]
  }
}
