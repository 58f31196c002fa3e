// The oracle for convolutions: plain loops over every tap, summed in Double.

/// What a convolution reads beyond the border of its input.
package enum ReferencePadding: String, Sendable, CaseIterable {
  /// Nothing: the kernel stays inside.
  case none
  /// Zeros.
  case zero
  /// The border value first, then inwards (c b a | a b c), and back again at the other border.
  case mirror
}

/// A convolution of one sample with a square kernel that is not turned.
///
///     output(y, x, o) = bias(o) + sum over c, i, j of
///         weights(o, c, i, j) * padded(y * stride + i - before, x * stride + j - before, c)
///
/// Weights are [out, in, kH, kW]. Gradients are returned, not accumulated.
package struct ReferenceConvolution: Sendable {
  /// Channels of the input.
  package var inputChannels: Int
  /// Channels of the output.
  package var outputChannels: Int
  /// Rows, and columns, of the kernel.
  package var kernel: Int
  /// Rows, and columns, between two places of the kernel.
  package var stride: Int
  /// What is read beyond the border.
  package var padding: ReferencePadding
  /// Rows and columns of padding in front of the first.
  package var before: Int
  /// Rows and columns of padding behind the last.
  package var after: Int

  /// A convolution; unless told otherwise, padding keeps the size at stride 1.
  ///
  /// An even kernel has its extra row and column of padding behind the last.
  package init(
    inputChannels: Int, outputChannels: Int, kernel: Int, stride: Int = 1,
    padding: ReferencePadding, before: Int? = nil, after: Int? = nil
  ) {
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.before = padding == .none ? 0 : before ?? (kernel - 1) / 2
    self.after = padding == .none ? 0 : after ?? kernel / 2
  }

  /// The rows (or columns) of the output for as many of the input.
  package func outputLength(_ inputLength: Int) -> Int {
    (inputLength + before + after - kernel) / stride + 1
  }

  /// Where `weights(o, c, i, j)` is.
  package func weightIndex(_ o: Int, _ c: Int, _ i: Int, _ j: Int) -> Int {
    ((o * inputChannels + c) * kernel + i) * kernel + j
  }

  /// The row (or column) of the input that stands at `place` of the padded one; nil for a zero.
  package func source(_ place: Int, length: Int) -> Int? {
    if (0..<length).contains(place) { return place }
    guard padding == .mirror else { return nil }
    let period = 2 * length
    let phase = ((place % period) + period) % period
    return phase < length ? phase : period - 1 - phase
  }

  /// The output for `input`; nil for `bias` stands for zeros.
  package func output(
    of input: ReferenceImage, weights: [Float], bias: [Float]?
  ) -> ReferenceImage {
    check(input, weights)
    let height = outputLength(input.height)
    let width = outputLength(input.width)
    var sums = [Double](repeating: 0, count: height * width * outputChannels)
    for pixel in 0..<height * width {
      for o in 0..<outputChannels { sums[pixel * outputChannels + o] = Double(bias?[o] ?? 0) }
    }
    forEachTap(of: input, outputHeight: height, outputWidth: width) { pixel, source, tap in
      for o in 0..<outputChannels {
        var sum = 0.0
        for c in 0..<inputChannels {
          let weight = weights[(o * inputChannels + c) * kernel * kernel + tap]
          sum += Double(weight) * Double(input.values[source * inputChannels + c])
        }
        sums[pixel * outputChannels + o] += sum
      }
    }
    return ReferenceImage(height: height, width: width, channels: outputChannels, sums: sums)
  }

  /// The gradient with respect to `input`, of which only the size matters.
  package func inputGradient(
    input: ReferenceImage, weights: [Float], outputGradient: ReferenceImage
  ) -> ReferenceImage {
    check(input, weights, outputGradient)
    var sums = [Double](repeating: 0, count: input.values.count)
    forEachTap(
      of: input, outputHeight: outputGradient.height, outputWidth: outputGradient.width
    ) { pixel, source, tap in
      for o in 0..<outputChannels {
        let gradient = Double(outputGradient.values[pixel * outputChannels + o])
        for c in 0..<inputChannels {
          let weight = weights[(o * inputChannels + c) * kernel * kernel + tap]
          sums[source * inputChannels + c] += Double(weight) * gradient
        }
      }
    }
    return ReferenceImage(
      height: input.height, width: input.width, channels: inputChannels, sums: sums)
  }

  /// The gradient with respect to the weights, [out, in, kH, kW].
  package func weightsGradient(
    input: ReferenceImage, outputGradient: ReferenceImage
  ) -> [Float] {
    check(input, nil, outputGradient)
    var sums = [Double](repeating: 0, count: outputChannels * inputChannels * kernel * kernel)
    forEachTap(
      of: input, outputHeight: outputGradient.height, outputWidth: outputGradient.width
    ) { pixel, source, tap in
      for o in 0..<outputChannels {
        let gradient = Double(outputGradient.values[pixel * outputChannels + o])
        for c in 0..<inputChannels {
          sums[(o * inputChannels + c) * kernel * kernel + tap] +=
            gradient * Double(input.values[source * inputChannels + c])
        }
      }
    }
    return sums.map { Float($0) }
  }

  /// The gradient with respect to the bias: the sums of the output's gradient over all pixels.
  package func biasGradient(outputGradient: ReferenceImage) -> [Float] {
    (0..<outputGradient.channels).map { o in
      var sum = 0.0
      for pixel in 0..<outputGradient.height * outputGradient.width {
        sum += Double(outputGradient.values[pixel * outputGradient.channels + o])
      }
      return Float(sum)
    }
  }

  /// Calls `body` with every output pixel, input pixel and tap (i * kernel + j) that meet.
  private func forEachTap(
    of input: ReferenceImage, outputHeight: Int, outputWidth: Int,
    _ body: (_ outputPixel: Int, _ inputPixel: Int, _ tap: Int) -> Void
  ) {
    for y in 0..<outputHeight {
      for x in 0..<outputWidth {
        for i in 0..<kernel {
          for j in 0..<kernel {
            guard let row = source(y * stride + i - before, length: input.height),
              let column = source(x * stride + j - before, length: input.width)
            else { continue }
            body(y * outputWidth + x, row * input.width + column, i * kernel + j)
          }
        }
      }
    }
  }

  private func check(
    _ input: ReferenceImage, _ weights: [Float]?, _ outputGradient: ReferenceImage? = nil
  ) {
    precondition(input.channels == inputChannels, "\(input.channels) != \(inputChannels) channels")
    if let weights {
      let count = outputChannels * inputChannels * kernel * kernel
      precondition(weights.count == count, "\(weights.count) != \(count) weights")
    }
    if let gradient = outputGradient {
      let shape = (outputLength(input.height), outputLength(input.width), outputChannels)
      precondition(
        (gradient.height, gradient.width, gradient.channels) == shape,
        "gradient of \(gradient.height) x \(gradient.width) x \(gradient.channels), not \(shape)")
    }
  }
}
