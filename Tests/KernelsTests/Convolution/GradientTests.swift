// Every kernel's gradient against central differences of its own forward pass.

import Kernels
import Tensors
import TestSupport
import Testing
import Threading

@Suite struct GradientTests {
  /// The largest deviation allowed: forward passes round to Float, 6e-8 of sums of order ten over
  /// twice the difference of 1e-2.
  static let allowed = 2e-3
  static let epsilon = 1e-2

  /// The sum of products, in Double: a loss whose gradient by the output is `weights`.
  static func dot(_ values: [Float], _ weights: [Float]) -> Double {
    zip(values, weights).reduce(0) { $0 + Double($1.0) * Double($1.1) }
  }

  @Test(arguments: [
    ConvolutionCase(height: 6, width: 7, inputs: 3, outputs: 4, kernel: 3),
    ConvolutionCase(height: 5, width: 4, inputs: 2, outputs: 3, kernel: 3, padding: .mirror),
    ConvolutionCase(
      height: 7, width: 6, inputs: 2, outputs: 3, kernel: 5, stride: 2, padding: .zero),
    ConvolutionCase(height: 6, width: 5, inputs: 20, outputs: 3, kernel: 2, padding: .zero),
    ConvolutionCase(height: 4, width: 5, inputs: 5, outputs: 2, kernel: 1),
    ConvolutionCase(
      height: 8, width: 7, inputs: 3, outputs: 4, kernel: 3, algorithm: .implicitGEMM),
    ConvolutionCase(
      height: 5, width: 4, inputs: 2, outputs: 3, kernel: 3, padding: .mirror,
      algorithm: .implicitGEMM),
    ConvolutionCase(height: 8, width: 7, inputs: 3, outputs: 4, kernel: 3, algorithm: .winograd),
    ConvolutionCase(
      height: 5, width: 4, inputs: 2, outputs: 3, kernel: 3, padding: .mirror,
      algorithm: .winograd),
  ])
  func convolution(_ example: ConvolutionCase) {
    let convolution = example.planned()
    let input = ReferenceImage.random(
      height: example.height, width: example.width, channels: example.inputs, seed: 1)
    let weights = repeatableValues(count: convolution.weightCount, seed: 2)
    let bias = repeatableValues(count: example.outputs, seed: 3)
    let gradient = ReferenceImage.random(
      height: convolution.output.height, width: convolution.output.width,
      channels: example.outputs, seed: 4)
    func results(_ pixels: [Float], _ weights: [Float]) -> ConvolutionResults {
      var image = input
      image.values = pixels
      return run(
        convolution, input: image, weights: weights, bias: bias, outputGradient: gradient,
        threads: 1)
    }
    compare(input: input.values, weights: weights, gradient: gradient.values, results)
  }

  @Test(arguments: UpConvolutionCase.Rule.allCases)
  func upConvolution(_ rule: UpConvolutionCase.Rule) {
    let example = UpConvolutionCase(height: 3, width: 4, inputs: 5, outputs: 2, rule: rule)
    let input = ReferenceImage.random(height: 3, width: 4, channels: 5, seed: 1)
    let weights = repeatableValues(count: 40, seed: 2)
    let bias = repeatableValues(count: 2, seed: 3)
    let gradient = ReferenceImage.random(height: 6, width: 8, channels: 2, seed: 4)
    func results(_ pixels: [Float], _ weights: [Float]) -> ConvolutionResults {
      var image = input
      image.values = pixels
      return example.results(
        input: image, weights: weights, bias: bias, gradient: gradient, threads: 1)
    }
    compare(input: input.values, weights: weights, gradient: gradient.values, results)
  }

  /// Compares the gradients of input and weights that `results` gives with differences of its output.
  private func compare(
    input: [Float], weights: [Float], gradient: [Float],
    _ results: (_ pixels: [Float], _ weights: [Float]) -> ConvolutionResults
  ) {
    let analytic = results(input, weights)
    let byInput = gradientDeviation(
      of: { Self.dot(results($0.map { Float($0) }, weights).output, gradient) },
      at: input.map { Double($0) }, analytic: analytic.inputGradient.map { Double($0) },
      epsilon: Self.epsilon)
    #expect(byInput.error < Self.allowed, "input: \(byInput)")
    let byWeights = gradientDeviation(
      of: { Self.dot(results(input, $0.map { Float($0) }).output, gradient) },
      at: weights.map { Double($0) }, analytic: analytic.weightGradient.map { Double($0) },
      epsilon: Self.epsilon)
    #expect(byWeights.error < Self.allowed, "weights: \(byWeights)")
  }

  @Test func maxPooling() {
    let team = ThreadTeam(count: 1)
    let input = ReferenceImage.random(height: 4, width: 6, channels: 3, seed: 1)
    let gradient = ReferenceImage.random(height: 2, width: 3, channels: 3, seed: 2)
    var indices = [UInt8](repeating: 0, count: 18)
    func pooled(_ pixels: [Float]) -> [Float] {
      var image = input
      image.values = pixels
      let output = OwnedImage(2, 3, 3)
      MaxPooling.forward(OwnedImage(image).view, into: output.view, indices: &indices, on: team)
      return output.values
    }
    _ = pooled(input.values)
    let analytic = OwnedImage(4, 6, 3)
    MaxPooling.backward(
      OwnedImage(gradient).view, indices: indices, skipGradient: nil, into: analytic.view,
      on: team)
    // A smaller step than elsewhere, so that no other pixel becomes the largest.
    let worst = gradientDeviation(
      of: { Self.dot(pooled($0.map { Float($0) }), gradient.values) },
      at: input.values.map { Double($0) }, analytic: analytic.values.map { Double($0) },
      epsilon: 1e-3)
    #expect(worst.error < Self.allowed, "\(worst)")
  }

  @Test(arguments: [ConvolutionAlgorithm.im2col, .implicitGEMM, .winograd])
  func biasBeforeAReLU(_ algorithm: ConvolutionAlgorithm) {
    // Through a second convolution, whose input gradient takes the place of the rectified values.
    let first = ConvolutionCase(
      height: 9, width: 8, inputs: 2, outputs: 3, kernel: 3, algorithm: algorithm)
    let second = ConvolutionCase(
      height: 7, width: 6, inputs: 3, outputs: 2, kernel: 3, algorithm: algorithm)
    let input = ReferenceImage.random(height: 9, width: 8, channels: 2, seed: 1)
    let (weights, nextWeights) = (
      repeatableValues(count: 54, seed: 2), repeatableValues(count: 54, seed: 3)
    )
    let bias = repeatableValues(count: 3, seed: 4)
    let gradient = ReferenceImage.random(height: 5, width: 4, channels: 2, seed: 5)
    func results(_ bias: [Float]) -> ConvolutionResults {
      let hidden = run(
        first.planned(), input: input, weights: weights, bias: bias,
        outputGradient: ReferenceImage.random(height: 7, width: 6, channels: 3, seed: 6),
        threads: 1, appliesReLU: true
      ).output
      return run(
        second.planned(),
        input: ReferenceImage(height: 7, width: 6, channels: 3, values: hidden),
        weights: nextWeights, bias: [0, 0], outputGradient: gradient, threads: 1, reluMask: .all)
    }
    let hiddenGradient = ReferenceImage(
      height: 7, width: 6, channels: 3, values: results(bias).inputGradient)
    let analytic = run(
      first.planned(), input: input, weights: weights, bias: bias,
      outputGradient: hiddenGradient, threads: 1
    ).biasGradient
    // A smaller step than elsewhere, so that hardly a value crosses the ReLU's bend; so the
    // roundings of the forward passes weigh more.
    let worst = gradientDeviation(
      of: { Self.dot(results($0.map { Float($0) }).output, gradient.values) },
      at: bias.map { Double($0) }, analytic: analytic.map { Double($0) }, epsilon: 1e-3)
    #expect(worst.error < 4 * Self.allowed, "\(worst)")
  }

  @Test func softmaxCrossEntropy() {
    let team = ThreadTeam(count: 1)
    let logits = ReferenceImage.random(height: 3, width: 4, channels: 3, seed: 1)
    let labels = (0..<12).map { UInt8($0 * 5 % 3) }
    let weights: [Float] = [0.5, 1, 2]
    var rowSums = [Double](repeating: 0, count: 3)
    func loss(_ scores: [Float]) -> (value: Double, gradient: [Float]) {
      var image = logits
      image.values = scores
      let gradient = OwnedImage(3, 4, 3)
      let value = SoftmaxCrossEntropy(classWeights: weights).lossAndGradient(
        logits: OwnedImage(image).view, labels: labels, weights: nil, scale: 1,
        gradient: gradient.view, workspace: &rowSums, on: team)
      return (value, gradient.values)
    }
    let worst = gradientDeviation(
      of: { loss($0.map { Float($0) }).value }, at: logits.values.map { Double($0) },
      analytic: loss(logits.values).gradient.map { Double($0) }, epsilon: Self.epsilon)
    #expect(worst.error < Self.allowed, "\(worst)")
  }
}
