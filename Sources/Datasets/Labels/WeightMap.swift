// The weight of each pixel in the loss: more where objects nearly touch.

import Morphology

/// The weight map of Ronneberger et al. 2015, section 3:
///
///     w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))
///
/// with w_c the weight of the pixel's class, and d1, d2 the distances of a background pixel to the
/// nearest and the second nearest object, from centre to centre of pixels. Objects are those that are
/// numbered, else the 8-connected components of the pixels of any class but the first; their own pixels
/// have w_c alone. Pixels of a class of weight 0 have 0: nothing is learnt from them.
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

  /// The weights [height, width] of an image with these labels, and where they are known with these
  /// numbers of its objects, 0 for background.
  ///
  /// - Complexity: for each object the pixels of its box, widened by 5.3 deviations.
  package func weights(
    labels: [UInt8], instances: [Int32]? = nil, width: Int, height: Int
  ) -> [Float] {
    precondition(labels.count == width * height, "\(labels.count) labels for \(width) x \(height)")
    precondition(instances == nil || instances?.count == labels.count, "instances of other pixels")
    let found = LabelledObjects(
      labels: labels, instances: instances, width: width, height: height)
    let (objects, boxes) = (found.numbers, found.boxes)
    var nearest = [Float](repeating: .infinity, count: labels.count)
    var second = nearest
    for (object, box) in zip(Int32(1)..., boxes) {
      let box = box.widened(by: reach, width: width, height: height)
      let squares = SquaredDistances(in: box) { row, column in
        objects[row * width + column] == object
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
      guard objects[place] == 0, base > 0, second[place].isFinite else { return base }
      let sum = nearest[place] + second[place]
      let exponent = -sum * sum / Float(2 * deviation * deviation)
      return base + Float(border) * Powers.exponential(exponent)
    }
  }
}
