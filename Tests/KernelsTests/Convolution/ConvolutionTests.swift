// Convolutions against the naive loops, against PyTorch, and over numbers of threads.

import Files
import Kernels
import Tensors
import TestSupport
import Testing
import Threading

/// One convolution: its extents and its rule.
struct ConvolutionCase: Sendable, CustomTestStringConvertible {
  var height: Int
  var width: Int
  var inputs: Int
  var outputs: Int
  var kernel: Int
  var stride = 1
  var padding = ReferencePadding.none
  var algorithm = ConvolutionAlgorithm.im2col

  var testDescription: String {
    "\(height)x\(width) \(inputs)->\(outputs) k\(kernel) s\(stride) \(padding) \(algorithm)"
  }

  /// How far a sum of so many products of values in -1..<1 may be from its exact value.
  func tolerance(products: Int) -> Tolerance {
    let direct = KernelsTests.tolerance(products: products)
    guard algorithm == .winograd else { return direct }
    // The transforms multiply by up to 10 on an axis and cancel again, so their roundings are
    // larger than those of the sums they stand for; the largest seen is about 12 times.
    return Tolerance(absolute: 20 * direct.absolute, relative: 20 * direct.relative)
  }

  var reference: ReferenceConvolution {
    ReferenceConvolution(
      inputChannels: inputs, outputChannels: outputs, kernel: kernel, stride: stride,
      padding: padding)
  }

  func planned() -> Convolution {
    let border: BorderRule? =
      switch padding {
      case .none: nil
      case .zero: .zeros
      case .mirror: .mirror
      }
    return Convolution(
      input: ImageShape(height: height, width: width, channels: inputs), outputChannels: outputs,
      kernel: kernel, stride: stride, border: border, algorithm: algorithm)
  }
}

/// What a convolution's three functions give.
struct ConvolutionResults: Equatable {
  var output: [Float]
  var inputGradient: [Float]
  var weightGradient: [Float]
  var biasGradient: [Float]
}

/// Runs the three functions; gradients accumulate onto `before`.
func run(
  _ convolution: Convolution, input: ReferenceImage, weights: [Float], bias: [Float],
  outputGradient: ReferenceImage, threads: Int, appliesReLU: Bool = false,
  reluMask: ReLUMask = .none
) -> ConvolutionResults {
  let team = ThreadTeam(count: threads)
  let workspace = makeWorkspace(
    convolution.forwardWorkspaceSize.union(convolution.gradientWorkspaceSize), threads: threads)
  let image = OwnedImage(input)
  let output = OwnedImage(
    convolution.output.height, convolution.output.width, convolution.output.channels)
  let gradient = OwnedImage(outputGradient)
  // The gradient takes the place of the input.
  let inputGradient = OwnedImage(input)
  let (weightBuffer, biasBuffer) = (FloatBuffer(weights), FloatBuffer(bias))
  // Accumulation shows on a start other than zero.
  let weightGradient = FloatBuffer([Float](repeating: 1, count: weights.count))
  let biasGradient = FloatBuffer([Float](repeating: 1, count: bias.count))
  convolution.forward(
    ConvolutionImage(image.view), weights: weightBuffer.base, bias: biasBuffer.base,
    appliesReLU: appliesReLU, into: output.view, workspace: workspace, on: team)
  convolution.inputGradient(
    gradient.view, weights: weightBuffer.base, into: ConvolutionImage(inputGradient.view),
    reluMask: reluMask, workspace: workspace, on: team)
  convolution.weightGradient(
    ConvolutionImage(image.view), outputGradient: gradient.view, into: weightGradient.base,
    biasGradient: biasGradient.base, workspace: workspace, on: team)
  return ConvolutionResults(
    output: output.values, inputGradient: inputGradient.values,
    weightGradient: weightGradient.values.map { $0 - 1 },
    biasGradient: biasGradient.values.map { $0 - 1 })
}

/// The sum of each channel over the pixels.
func channelSums(_ image: ReferenceImage) -> [Double] {
  var sums = [Double](repeating: 0, count: image.channels)
  for (index, value) in image.values.enumerated() { sums[index % image.channels] += Double(value) }
  return sums
}

/// How far a Float sum of so many products of values in -1..<1 may be from its exact value.
///
/// Its partial sums grow like a random walk to sqrt(products) / 3, and each addition rounds off up to
/// 2^-24 of them, again at random: 6e-8 * products / 3 is one standard deviation and less; four are
/// allowed, and one more rounding. A mirrored border folds up to four sums into one.
func tolerance(products: Int) -> Tolerance {
  Tolerance(absolute: 8e-8 * Double(products) + 1e-6, relative: 1e-6)
}

@Suite struct ConvolutionTests {
  static let cases: [ConvolutionCase] = {
    var cases: [ConvolutionCase] = []
    // Every kernel, stride and padding on odd extents and odd channels.
    for kernel in [1, 2, 3, 5] {
      for stride in [1, 2, 3] {
        for padding in ReferencePadding.allCases {
          cases.append(
            ConvolutionCase(
              height: 9, width: 7, inputs: 3, outputs: 5, kernel: kernel, stride: stride,
              padding: padding))
        }
      }
    }
    for padding in ReferencePadding.allCases {
      cases += [
        // One channel, whole kernels in a patch.
        ConvolutionCase(
          height: 33, width: 70, inputs: 1, outputs: 16, kernel: 3, padding: padding),
        // Kernel rows in a patch, several blocks, channels off the vector width.
        ConvolutionCase(
          height: 30, width: 131, inputs: 40, outputs: 33, kernel: 3, padding: padding),
        // Output channels divided over tasks.
        ConvolutionCase(
          height: 6, width: 5, inputs: 64, outputs: 150, kernel: 3, padding: padding),
        // Weight gradient in one slice.
        ConvolutionCase(
          height: 5, width: 6, inputs: 130, outputs: 144, kernel: 3, padding: padding),
        // The smallest image that a 3x3 kernel takes with padding.
        ConvolutionCase(
          height: padding == .none ? 3 : 1, width: padding == .none ? 3 : 1, inputs: 17,
          outputs: 2, kernel: 3, padding: padding),
      ]
      // Lines as they lie: several bands and blocks, channels off the vector width, more than one
      // panel, kernel rows too long for one product.
      for (height, width, inputs, outputs, kernel) in [
        (33, 70, 1, 16, 3), (9, 131, 3, 33, 3), (5, 6, 4, 150, 5), (7, 6, 90, 8, 3),
        (3, 3, 2, 1, 2),
      ] {
        cases.append(
          ConvolutionCase(
            height: height, width: width, inputs: inputs, outputs: outputs, kernel: kernel,
            padding: padding, algorithm: .implicitGEMM))
      }
      // Winograd's tiles: whole ones, cut ones, one alone; vectors whole, cut and empty; more than
      // one block of the summed channels.
      for (height, width, inputs, outputs) in [
        (18, 22, 16, 32), (9, 7, 3, 5), (5, 4, 17, 2), (3, 3, 1, 1), (21, 13, 40, 33),
        (61, 37, 80, 24), (12, 9, 272, 264),
      ] {
        cases.append(
          ConvolutionCase(
            height: height, width: width, inputs: inputs, outputs: outputs, kernel: 3,
            padding: padding, algorithm: .winograd))
      }
    }
    cases += [
      // Many weights, with tiles for more than one task.
      ConvolutionCase(
        height: 34, width: 35, inputs: 260, outputs: 260, kernel: 3, padding: .zero,
        algorithm: .winograd),
      // More tiles than a pass of the weight gradient takes.
      ConvolutionCase(
        height: 404, width: 405, inputs: 16, outputs: 16, kernel: 3, algorithm: .winograd),
    ]
    return cases
  }()

  @Test(arguments: cases) func agreesWithTheReference(_ example: ConvolutionCase) {
    let reference = example.reference
    let input = ReferenceImage.random(
      height: example.height, width: example.width, channels: example.inputs, seed: 1)
    let shape = [example.outputs, example.inputs, example.kernel, example.kernel]
    let weights = repeatableValues(count: shape.reduce(1, *), seed: 2)
    let bias = repeatableValues(count: example.outputs, seed: 3)
    let convolution = example.planned()
    let expected = reference.output(of: input, weights: weights, bias: bias)
    #expect(convolution.output.height == expected.height)
    #expect(convolution.output.width == expected.width)
    let gradient = ReferenceImage.random(
      height: expected.height, width: expected.width, channels: expected.channels, seed: 4)
    let results = run(
      convolution, input: input, weights: kernelOrder(weights, shape: shape, .convolution),
      bias: bias, outputGradient: gradient, threads: 2)
    let taps = example.kernel * example.kernel
    expectClose(
      results.output, expected.values, example.tolerance(products: taps * example.inputs), "output")
    expectClose(
      results.inputGradient,
      reference.inputGradient(input: input, weights: weights, outputGradient: gradient).values,
      example.tolerance(products: 4 * taps * example.outputs), "input gradient")
    expectClose(
      fileOrder(results.weightGradient, shape: shape, .convolution),
      reference.weightsGradient(input: input, outputGradient: gradient),
      example.tolerance(products: expected.height * expected.width), "weight gradient")
    expectClose(
      results.biasGradient.map { Double($0) }, channelSums(gradient),
      tolerance(products: expected.height * expected.width), "bias gradient")
  }

  @Test(arguments: cases.filter { $0.stride == 1 }) func gradientPassesWhereTheInputIsPositive(
    _ example: ConvolutionCase
  ) {
    let convolution = example.planned()
    let input = ReferenceImage.random(
      height: example.height, width: example.width, channels: example.inputs, seed: 1)
    let weights = repeatableValues(count: convolution.weightCount, seed: 2)
    let bias = repeatableValues(count: example.outputs, seed: 3)
    let gradient = ReferenceImage.random(
      height: convolution.output.height, width: convolution.output.width,
      channels: example.outputs, seed: 4)
    let results = [ReLUMask.none, .all].map {
      run(
        convolution, input: input, weights: weights, bias: bias, outputGradient: gradient,
        threads: 2, reluMask: $0)
    }
    #expect(
      results[1].inputGradient
        == zip(results[0].inputGradient, input.values).map { $1 > 0 ? $0 : 0 })
  }

  @Test(arguments: cases) func sameBitsForAnyNumberOfThreads(_ example: ConvolutionCase) {
    expectSameBits(example, threads: [1, 2, 3])
  }

  /// Where there are more threads than tasks, channels, tiles and rows of weights are cut finer: of few tiles with many
  /// weights, of several passes over tiles, of spans of tiles, and of groups of unequal width.
  @Test(arguments: [
    ConvolutionCase(
      height: 16, width: 15, inputs: 512, outputs: 256, kernel: 3, padding: .none,
      algorithm: .winograd),
    ConvolutionCase(
      height: 144, width: 144, inputs: 128, outputs: 128, kernel: 3, padding: .zero,
      algorithm: .winograd),
    ConvolutionCase(
      height: 120, width: 122, inputs: 64, outputs: 64, kernel: 3, padding: .mirror,
      algorithm: .winograd),
    ConvolutionCase(
      height: 30, width: 30, inputs: 272, outputs: 300, kernel: 3, padding: .none,
      algorithm: .winograd),
  ])
  func sameBitsWhereWorkIsCutFiner(_ example: ConvolutionCase) {
    expectSameBits(example, threads: [1, 7, 20, 70])
  }

  private func expectSameBits(_ example: ConvolutionCase, threads: [Int]) {
    let convolution = example.planned()
    let input = ReferenceImage.random(
      height: example.height, width: example.width, channels: example.inputs, seed: 1)
    let weights = repeatableValues(count: convolution.weightCount, seed: 2)
    let bias = repeatableValues(count: example.outputs, seed: 3)
    let gradient = ReferenceImage.random(
      height: convolution.output.height, width: convolution.output.width,
      channels: example.outputs, seed: 4)
    let results = threads.map {
      run(
        convolution, input: input, weights: weights, bias: bias, outputGradient: gradient,
        threads: $0)
    }
    for (result, count) in zip(results, threads) {
      #expect(result == results[0], "\(count) threads")
    }
  }

  @Test func agreesWithPyTorch() throws {
    let file = try Fixtures.read("convolutions")
    for (name, rule) in file.metadata where name != "format" {
      let parts = rule.split(separator: " ")
      let (kernel, stride) = (Int(parts[0]) ?? 0, Int(parts[1]) ?? 0)
      let input = try file.image("\(name).input")
      let shape = try #require(file.shape(of: "\(name).weights"))
      let example = ConvolutionCase(
        height: input.height, width: input.width, inputs: shape[1], outputs: shape[0],
        kernel: kernel, stride: stride,
        padding: try #require(ReferencePadding(rawValue: String(parts[2]))))
      let results = run(
        example.planned(), input: input,
        weights: kernelOrder(try file.floats(of: "\(name).weights"), shape: shape, .convolution),
        bias: try file.floats(of: "\(name).bias"),
        outputGradient: try file.image("\(name).output_gradient"), threads: 1)
      expectClose(results.output, try file.floats(of: "\(name).output"), .direct, name)
      expectClose(
        results.inputGradient, try file.floats(of: "\(name).input_gradient"), .direct, name)
      expectClose(
        fileOrder(results.weightGradient, shape: shape, .convolution),
        try file.floats(of: "\(name).weights_gradient"), .direct, name)
    }
  }

  @Test(arguments: [ConvolutionAlgorithm.im2col, .implicitGEMM, .winograd])
  func twoSourcesAreOneImageSideBySide(_ algorithm: ConvolutionAlgorithm) {
    let convolution = ConvolutionCase(
      height: 12, width: 11, inputs: 21, outputs: 6, kernel: 3, padding: .mirror,
      algorithm: algorithm
    ).planned()
    let joined = ReferenceImage.random(height: 12, width: 11, channels: 21, seed: 1)
    let weights = repeatableValues(count: convolution.weightCount, seed: 2)
    let bias = repeatableValues(count: 6, seed: 3)
    let gradient = ReferenceImage.random(height: 12, width: 11, channels: 6, seed: 4)
    let expected = run(
      convolution, input: joined, weights: weights, bias: bias, outputGradient: gradient,
      threads: 2)

    let team = ThreadTeam(count: 2)
    let workspace = makeWorkspace(
      convolution.forwardWorkspaceSize.union(convolution.gradientWorkspaceSize), threads: 2)
    // The first source is the centre of a larger image, as a cropped skip is.
    let skip = OwnedImage(16, 15, 5)
    let upsampled = OwnedImage(12, 11, 16)
    let crop = skip.view.centred(height: 12, width: 11)
    for y in 0..<12 {
      for x in 0..<11 {
        for c in 0..<21 {
          let value = joined[y, x, c]
          if c < 5 {
            crop.pixel(y, x)[c] = value
          } else {
            upsampled.view.pixel(y, x)[c - 5] = value
          }
        }
      }
    }
    let input = ConvolutionImage(crop, upsampled.view)
    let output = OwnedImage(12, 11, 6)
    let weightBuffer = FloatBuffer(weights)
    let gradientImage = OwnedImage(gradient)
    convolution.forward(
      input, weights: weightBuffer.base, bias: FloatBuffer(bias).base, appliesReLU: false,
      into: output.view, workspace: workspace, on: team)
    #expect(output.values == expected.output)
    let weightGradient = FloatBuffer([Float](repeating: 1, count: weights.count))
    let biasGradient = FloatBuffer(count: 6)
    convolution.weightGradient(
      input, outputGradient: gradientImage.view, into: weightGradient.base,
      biasGradient: biasGradient.base, workspace: workspace, on: team)
    #expect(weightGradient.values.map { $0 - 1 } == expected.weightGradient)
    // Only the skip came out of a ReLU.
    convolution.inputGradient(
      gradientImage.view, weights: weightBuffer.base, into: input, reluMask: .first,
      workspace: workspace, on: team)
    for y in 0..<12 {
      for x in 0..<11 {
        for c in 0..<21 {
          let value = c < 5 ? crop.pixel(y, x)[c] : upsampled.view.pixel(y, x)[c - 5]
          let passes = c >= 5 || joined[y, x, c] > 0
          #expect(value == (passes ? expected.inputGradient[joined.index(y, x, c)] : 0))
        }
      }
    }
  }

  @Test func rectifyingMakesNegativeResultsZero() {
    let convolution = ConvolutionCase(height: 8, width: 8, inputs: 2, outputs: 19, kernel: 3)
      .planned()
    let input = ReferenceImage.random(height: 8, width: 8, channels: 2, seed: 1)
    let weights = repeatableValues(count: convolution.weightCount, seed: 2)
    let bias = repeatableValues(count: 19, seed: 3)
    let gradient = ReferenceImage.random(height: 6, width: 6, channels: 19, seed: 4)
    let (linear, rectified) = (
      run(
        convolution, input: input, weights: weights, bias: bias, outputGradient: gradient,
        threads: 1),
      run(
        convolution, input: input, weights: weights, bias: bias, outputGradient: gradient,
        threads: 1, appliesReLU: true)
    )
    #expect(rectified.output == linear.output.map { max($0, 0) })
    #expect(linear.output.contains { $0 < 0 })
  }
}
