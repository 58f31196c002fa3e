// The weight map against distances to all pixels of all objects.

import Datasets
import Foundation
import Randomness
import Testing

@Suite struct WeightMapTests {
  /// Two single pixels, six apart: in the middle d1 = d2 = 3.
  @Test func betweenTwoPixels() {
    var labels = [UInt8](repeating: 0, count: 9)
    (labels[1], labels[7]) = (1, 1)
    let weights = WeightMap(classWeights: [0.5, 2]).weights(labels: labels, width: 9, height: 1)
    #expect(weights[1] == 2 && weights[7] == 2)
    for (place, d1, d2) in [(4, 3.0, 3.0), (2, 1, 5), (0, 1, 7)] {
      let sum: Double = d1 + d2
      let expected = 0.5 + 10 * exp(-sum * sum / 50)
      #expect(abs(Double(weights[place]) - expected) < 1e-4)
    }
  }

  /// A class of weight 0 is not learnt, between objects either.
  @Test func aClassWithoutWeightHasNoBorder() {
    let labels: [UInt8] = [1, 0, 1]
    let weights = WeightMap(classWeights: [0, 2]).weights(labels: labels, width: 3, height: 1)
    #expect(weights == [2, 0, 2])
  }

  @Test func oneObjectHasNoBorderToAnother() {
    let labels: [UInt8] = [0, 0, 1, 0, 1, 0]
    let weights = WeightMap(classWeights: []).weights(labels: labels, width: 3, height: 2)
    #expect(weights == [Float](repeating: 1, count: 6))
  }

  /// Components by growing, distances to every pixel of each.
  @Test(arguments: 0..<6 as Range<UInt64>) func isTheDefinition(_ seed: UInt64) {
    var stream = RandomStream(seed: seed, purpose: .synthesis)
    let (width, height) = (20 + stream.integer(below: 15), 18 + stream.integer(below: 15))
    var labels = [UInt8](repeating: 0, count: width * height)
    for _ in 0..<6 + stream.integer(below: 5) {
      let (y, x) = (stream.integer(below: height), stream.integer(below: width))
      let (down, right) = (1 + stream.integer(below: 5), 1 + stream.integer(below: 5))
      let label = UInt8(1 + stream.integer(below: 2))
      for row in y..<min(height, y + down) {
        for column in x..<min(width, x + right) { labels[row * width + column] = label }
      }
    }
    // Each pixel's component is the smallest place that it reaches by neighbours of its class.
    var component = labels.indices.map { labels[$0] == 0 ? -1 : $0 }
    var changes = true
    while changes {
      changes = false
      for place in labels.indices where component[place] >= 0 {
        let (row, column) = (place / width, place % width)
        for y in max(0, row - 1)...min(height - 1, row + 1) {
          for x in max(0, column - 1)...min(width - 1, column + 1) {
            let other = y * width + x
            if labels[other] == labels[place], component[other] < component[place] {
              component[place] = component[other]
              changes = true
            }
          }
        }
      }
    }
    let map = WeightMap(border: 10, deviation: 3, classWeights: [1, 2, 3])
    let weights = map.weights(labels: labels, width: width, height: height)
    for place in labels.indices {
      guard labels[place] == 0 else {
        #expect(weights[place] == Float(labels[place] + 1))
        continue
      }
      var distances: [Int: Double] = [:]
      for other in labels.indices where component[other] >= 0 {
        let dy: Int = place / width - other / width
        let dx: Int = place % width - other % width
        let distance = Double(dy * dy + dx * dx).squareRoot()
        let before: Double = distances[component[other]] ?? .infinity
        distances[component[other]] = min(before, distance)
      }
      let sorted = distances.values.sorted()
      var border = 0.0
      if sorted.count > 1 {
        let sum = sorted[0] + sorted[1]
        let exponent: Double = -(sum * sum) / 18
        border = 10 * exp(exponent)
      }
      let difference: Float = weights[place] - 1 - Float(border)
      #expect(abs(difference) < 1e-4)
    }
  }

  /// Weights follow the labels through copies and through resampling.
  @Test func weightsStayWithTheirPixels() {
    let labels = (0..<40 * 40).map { (place: Int) -> UInt8 in
      let (row, column) = (place / 40, place % 40)
      return UInt8(row / 8 % 2 * 2 + column / 8 % 2)
    }
    let image = DatasetImage(
      id: 0, name: "", width: 40, height: 40, channels: 1, pixels: labels.map { Float($0) },
      labels: labels, weights: labels.map { Float($0) * 10 })
    let buffer = SampleBuffer(
      tile: TileShape(inputSide: 24, outputSide: 16), channels: 1, isWeighted: true)
    for draw in 0..<40 {
      Augmentation.all.fill(
        buffer, from: image, stream: Augmentation.stream(seed: 3, epoch: 0, draw: draw))
      for index in 0..<buffer.labelCount {
        #expect(buffer.weights?[index] == Float(buffer.labels[index]) * 10)
      }
    }
  }
}
