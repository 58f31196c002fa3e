// The two ways of doubling against the naive loops, and over numbers of threads.

import Kernels
import Tensors
import TestSupport
import Testing
import Threading

/// One doubling: its extents and its rule.
struct UpConvolutionCase: Sendable, CustomTestStringConvertible {
  enum Rule: String, CaseIterable {
    case nearestZero
    case nearestMirror
    case transposed
  }

  var height: Int
  var width: Int
  var inputs: Int
  var outputs: Int
  var rule: Rule

  var testDescription: String { "\(height)x\(width) \(inputs)->\(outputs) \(rule)" }

  var order: ParameterOrder { rule == .transposed ? .transposedConvolution : .convolution }

  var shape: [Int] {
    rule == .transposed ? [inputs, outputs, 2, 2] : [outputs, inputs, 2, 2]
  }

  var planned: UpConvolution {
    let kind: UpConvolution.Kind =
      switch rule {
      case .nearestZero: .nearest(.zeros)
      case .nearestMirror: .nearest(.mirror)
      case .transposed: .transposed
      }
    return UpConvolution(
      input: ImageShape(height: height, width: width, channels: inputs), outputChannels: outputs,
      kind: kind)
  }

  /// Output, input gradient and weight gradient of the oracle.
  func expected(
    input: ReferenceImage, weights: [Float], bias: [Float], gradient: ReferenceImage
  ) -> ConvolutionResults {
    if rule == .transposed {
      let oracle = ReferenceTransposedConvolution(inputChannels: inputs, outputChannels: outputs)
      return ConvolutionResults(
        output: oracle.output(of: input, weights: weights, bias: bias).values,
        inputGradient: oracle.inputGradient(
          input: input, weights: weights, outputGradient: gradient
        ).values,
        weightGradient: oracle.weightsGradient(input: input, outputGradient: gradient),
        biasGradient: channelSums(gradient).map { Float($0) })
    }
    let oracle = ReferenceNearestUpConvolution(
      inputChannels: inputs, outputChannels: outputs,
      padding: rule == .nearestMirror ? .mirror : .zero)
    return ConvolutionResults(
      output: oracle.output(of: input, weights: weights, bias: bias).values,
      inputGradient: oracle.inputGradient(
        input: input, weights: weights, outputGradient: gradient
      ).values,
      weightGradient: oracle.weightsGradient(input: input, outputGradient: gradient),
      biasGradient: channelSums(gradient).map { Float($0) })
  }

  /// Output, input gradient and weight gradient (in the order of files) of the kernels.
  func results(
    input: ReferenceImage, weights: [Float], bias: [Float], gradient: ReferenceImage, threads: Int,
    reluMask: ReLUMask = .none
  ) -> ConvolutionResults {
    let up = planned
    let team = ThreadTeam(count: threads)
    let workspace = makeWorkspace(
      up.forwardWorkspaceSize.union(up.gradientWorkspaceSize), threads: threads)
    let image = OwnedImage(input)
    let output = OwnedImage(2 * height, 2 * width, outputs)
    let outputGradient = OwnedImage(gradient)
    let inputGradient = OwnedImage(input)
    let weightBuffer = FloatBuffer(kernelOrder(weights, shape: shape, order))
    let biasBuffer = FloatBuffer(bias)
    let weightGradient = FloatBuffer([Float](repeating: 1, count: weights.count))
    up.forward(
      ConvolutionImage(image.view), weights: weightBuffer.base, bias: biasBuffer.base,
      into: output.view,
      workspace: workspace, on: team)
    up.inputGradient(
      outputGradient.view, weights: weightBuffer.base,
      into: ConvolutionImage(inputGradient.view), reluMask: reluMask, workspace: workspace, on: team
    )
    let biasGradient = FloatBuffer([Float](repeating: 1, count: outputs))
    up.weightGradient(
      ConvolutionImage(image.view), outputGradient: outputGradient.view, into: weightGradient.base,
      biasGradient: biasGradient.base, workspace: workspace, on: team)
    return ConvolutionResults(
      output: output.values, inputGradient: inputGradient.values,
      weightGradient: fileOrder(weightGradient.values.map { $0 - 1 }, shape: shape, order),
      biasGradient: biasGradient.values.map { $0 - 1 })
  }
}

@Suite struct UpConvolutionTests {
  static let cases = UpConvolutionCase.Rule.allCases.flatMap { rule in
    [
      (1, 1, 3, 2), (5, 7, 6, 3), (4, 70, 34, 17), (9, 8, 160, 80), (6, 5, 288, 272),
      (70, 61, 48, 40),
    ].map {
      UpConvolutionCase(height: $0.0, width: $0.1, inputs: $0.2, outputs: $0.3, rule: rule)
    }
  }

  @Test(arguments: cases) func agreesWithTheReferenceForAnyNumberOfThreads(
    _ example: UpConvolutionCase
  ) {
    let input = ReferenceImage.random(
      height: example.height, width: example.width, channels: example.inputs, seed: 1)
    let weights = repeatableValues(count: 4 * example.inputs * example.outputs, seed: 2)
    let bias = repeatableValues(count: example.outputs, seed: 3)
    let gradient = ReferenceImage.random(
      height: 2 * example.height, width: 2 * example.width, channels: example.outputs, seed: 4)
    let expected = example.expected(
      input: input, weights: weights, bias: bias, gradient: gradient)
    let results = [1, 2, 3].map {
      example.results(
        input: input, weights: weights, bias: bias, gradient: gradient, threads: $0)
    }
    expectClose(
      results[0].output, expected.output, tolerance(products: 4 * example.inputs), "output")
    expectClose(
      results[0].inputGradient, expected.inputGradient,
      tolerance(products: 16 * example.outputs), "input gradient")
    expectClose(
      results[0].weightGradient, expected.weightGradient,
      tolerance(products: 4 * example.height * example.width), "weight gradient")
    expectClose(
      results[0].biasGradient, expected.biasGradient,
      tolerance(products: 4 * example.height * example.width), "bias gradient")
    #expect(results[0] == results[1])
    #expect(results[0] == results[2])
  }

  @Test(arguments: cases) func gradientPassesWhereTheInputIsPositive(
    _ example: UpConvolutionCase
  ) {
    let input = ReferenceImage.random(
      height: example.height, width: example.width, channels: example.inputs, seed: 1)
    let weights = repeatableValues(count: 4 * example.inputs * example.outputs, seed: 2)
    let bias = repeatableValues(count: example.outputs, seed: 3)
    let gradient = ReferenceImage.random(
      height: 2 * example.height, width: 2 * example.width, channels: example.outputs, seed: 4)
    let results = [ReLUMask.none, .all].map {
      example.results(
        input: input, weights: weights, bias: bias, gradient: gradient, threads: 2, reluMask: $0)
    }
    #expect(
      results[1].inputGradient
        == zip(results[0].inputGradient, input.values).map { $1 > 0 ? $0 : 0 })
  }
}
