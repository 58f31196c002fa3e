// The oracles for the two ways to double rows and columns.

/// Nearest-neighbour upsampling, then a 2x2 convolution that keeps the doubled size.
///
/// The convolution pads one row and one column behind the last: zeros, or with mirroring the last
/// row and column repeated. Weights are [out, in, 2, 2].
package struct ReferenceNearestUpConvolution: Sendable {
  /// The convolution of the upsampled image.
  package let convolution: ReferenceConvolution

  /// An up-convolution with `padding` zero or mirror.
  package init(inputChannels: Int, outputChannels: Int, padding: ReferencePadding) {
    precondition(padding != .none, "the doubled size is kept only with padding")
    convolution = ReferenceConvolution(
      inputChannels: inputChannels, outputChannels: outputChannels, kernel: 2, padding: padding)
  }

  /// The output, 2H x 2W x out.
  package func output(
    of input: ReferenceImage, weights: [Float], bias: [Float]?
  ) -> ReferenceImage {
    convolution.output(of: doubled(input), weights: weights, bias: bias)
  }

  /// The gradient with respect to `input`, of which only the size matters.
  package func inputGradient(
    input: ReferenceImage, weights: [Float], outputGradient: ReferenceImage
  ) -> ReferenceImage {
    let gradient = convolution.inputGradient(
      input: doubled(input), weights: weights, outputGradient: outputGradient)
    var result = input
    for y in 0..<input.height {
      for x in 0..<input.width {
        for c in 0..<input.channels {
          let sum =
            Double(gradient[2 * y, 2 * x, c]) + Double(gradient[2 * y, 2 * x + 1, c])
            + Double(gradient[2 * y + 1, 2 * x, c]) + Double(gradient[2 * y + 1, 2 * x + 1, c])
          result[y, x, c] = Float(sum)
        }
      }
    }
    return result
  }

  /// The gradient with respect to the weights, [out, in, 2, 2].
  package func weightsGradient(input: ReferenceImage, outputGradient: ReferenceImage) -> [Float] {
    convolution.weightsGradient(input: doubled(input), outputGradient: outputGradient)
  }

  /// The gradient with respect to the bias.
  package func biasGradient(outputGradient: ReferenceImage) -> [Float] {
    convolution.biasGradient(outputGradient: outputGradient)
  }

  /// Every pixel four times.
  package func doubled(_ input: ReferenceImage) -> ReferenceImage {
    var result = ReferenceImage(
      height: 2 * input.height, width: 2 * input.width, channels: input.channels,
      values: [Float](repeating: 0, count: 4 * input.values.count))
    for y in 0..<result.height {
      for x in 0..<result.width {
        for c in 0..<result.channels { result[y, x, c] = input[y / 2, x / 2, c] }
      }
    }
    return result
  }
}

/// A transposed 2x2 convolution of stride 2: every input pixel makes its own 2x2 output pixels.
///
///     output(2y + i, 2x + j, o) = bias(o) + sum over c of weights(c, o, i, j) * input(y, x, c)
///
/// Weights are [in, out, 2, 2], as in PyTorch's `ConvTranspose2d`.
package struct ReferenceTransposedConvolution: Sendable {
  /// Channels of the input.
  package var inputChannels: Int
  /// Channels of the output.
  package var outputChannels: Int

  /// A transposed convolution.
  package init(inputChannels: Int, outputChannels: Int) {
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
  }

  /// Where `weights(c, o, i, j)` is.
  package func weightIndex(_ c: Int, _ o: Int, _ i: Int, _ j: Int) -> Int {
    ((c * outputChannels + o) * 2 + i) * 2 + j
  }

  /// The output, 2H x 2W x out.
  package func output(
    of input: ReferenceImage, weights: [Float], bias: [Float]?
  ) -> ReferenceImage {
    var sums = [Double](repeating: 0, count: 4 * input.height * input.width * outputChannels)
    for place in sums.indices { sums[place] = Double(bias?[place % outputChannels] ?? 0) }
    forEachProduct(input) { inputIndex, outputIndex, weight in
      sums[outputIndex] += Double(weights[weight]) * Double(input.values[inputIndex])
    }
    return ReferenceImage(
      height: 2 * input.height, width: 2 * input.width, channels: outputChannels, sums: sums)
  }

  /// The gradient with respect to `input`, of which only the size matters.
  package func inputGradient(
    input: ReferenceImage, weights: [Float], outputGradient: ReferenceImage
  ) -> ReferenceImage {
    var sums = [Double](repeating: 0, count: input.values.count)
    forEachProduct(input) { inputIndex, outputIndex, weight in
      sums[inputIndex] += Double(weights[weight]) * Double(outputGradient.values[outputIndex])
    }
    return ReferenceImage(
      height: input.height, width: input.width, channels: inputChannels, sums: sums)
  }

  /// The gradient with respect to the weights, [in, out, 2, 2].
  package func weightsGradient(input: ReferenceImage, outputGradient: ReferenceImage) -> [Float] {
    var sums = [Double](repeating: 0, count: inputChannels * outputChannels * 4)
    forEachProduct(input) { inputIndex, outputIndex, weight in
      sums[weight] += Double(input.values[inputIndex]) * Double(outputGradient.values[outputIndex])
    }
    return sums.map { Float($0) }
  }

  /// The gradient with respect to the bias: the sums of the output's gradient over all pixels.
  package func biasGradient(outputGradient: ReferenceImage) -> [Float] {
    ReferenceConvolution(
      inputChannels: inputChannels, outputChannels: outputChannels, kernel: 1, padding: .none
    ).biasGradient(outputGradient: outputGradient)
  }

  /// Calls `body` with the three indices of every product in the formula.
  private func forEachProduct(
    _ input: ReferenceImage, _ body: (_ input: Int, _ output: Int, _ weight: Int) -> Void
  ) {
    precondition(input.channels == inputChannels, "\(input.channels) != \(inputChannels) channels")
    for y in 0..<2 * input.height {
      for x in 0..<2 * input.width {
        for o in 0..<outputChannels {
          for c in 0..<inputChannels {
            body(
              input.index(y / 2, x / 2, c), (y * 2 * input.width + x) * outputChannels + o,
              weightIndex(c, o, y % 2, x % 2))
          }
        }
      }
    }
  }
}
