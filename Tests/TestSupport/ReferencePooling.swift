// The oracles for the ReLU and for 2x2 maximum pooling.

/// The ReLU max(x, 0).
package enum ReferenceReLU {
  /// max(x, 0) of every value.
  package static func output(of input: [Float]) -> [Float] { input.map { max($0, 0) } }

  /// The gradient passes where the output is positive; at 0 it is 0.
  package static func inputGradient(output: [Float], outputGradient: [Float]) -> [Float] {
    zip(output, outputGradient).map { $0 > 0 ? $1 : 0 }
  }
}

/// Maximum pooling over 2x2 pixels with stride 2.
package enum ReferenceMaxPooling {
  /// The largest of each four, H/2 x W/2 x C.
  ///
  /// - Precondition: Height and width are even.
  package static func output(of input: ReferenceImage) -> ReferenceImage {
    let winners = winners(of: input)
    return ReferenceImage(
      height: input.height / 2, width: input.width / 2, channels: input.channels,
      values: winners.map { input.values[$0] })
  }

  /// The gradient goes to the largest of each four; of equals, to the first in row order.
  package static func inputGradient(
    input: ReferenceImage, outputGradient: ReferenceImage
  ) -> ReferenceImage {
    var gradient = input
    gradient.values = [Float](repeating: 0, count: input.values.count)
    for (winner, value) in zip(winners(of: input), outputGradient.values) {
      gradient.values[winner] = value
    }
    return gradient
  }

  /// For every output value the index of the input value that it is.
  package static func winners(of input: ReferenceImage) -> [Int] {
    precondition(
      input.height.isMultiple(of: 2) && input.width.isMultiple(of: 2),
      "\(input.height) x \(input.width) is not even")
    var winners: [Int] = []
    for y in 0..<input.height / 2 {
      for x in 0..<input.width / 2 {
        for c in 0..<input.channels {
          var best = input.index(2 * y, 2 * x, c)
          for (i, j) in [(0, 1), (1, 0), (1, 1)] {
            let other = input.index(2 * y + i, 2 * x + j, c)
            if input.values[other] > input.values[best] { best = other }
          }
          winners.append(best)
        }
      }
    }
    return winners
  }
}
