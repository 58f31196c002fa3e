// The oracles for up-sampling against sums done by hand and against PyTorch.

import Files
import TestSupport
import Testing

@Suite struct ReferenceUpConvolutionTests {
  @Test func nearestByHand() {
    let input = ReferenceImage(height: 1, width: 2, channels: 1, values: [1, 2])
    let weights: [Float] = [1, 10, 100, 1000]
    let zero = ReferenceNearestUpConvolution(inputChannels: 1, outputChannels: 1, padding: .zero)
    // The upsampled image is 1 1 2 2 / 1 1 2 2.
    #expect(
      zero.output(of: input, weights: weights, bias: nil).values
        == [1111, 2121, 2222, 202, 11, 21, 22, 2])
    let mirror = ReferenceNearestUpConvolution(
      inputChannels: 1, outputChannels: 1, padding: .mirror)
    #expect(
      mirror.output(of: input, weights: weights, bias: nil).values
        == [1111, 2121, 2222, 2222, 1111, 2121, 2222, 2222])
  }

  @Test func transposedByHand() {
    let input = ReferenceImage(height: 1, width: 2, channels: 1, values: [1, 2])
    let transposed = ReferenceTransposedConvolution(inputChannels: 1, outputChannels: 1)
    let output = transposed.output(of: input, weights: [1, 10, 100, 1000], bias: [0.5])
    #expect(output.values == [1.5, 10.5, 2.5, 20.5, 100.5, 1000.5, 200.5, 2000.5])
  }

  @Test(arguments: ["nearest-zero", "nearest-mirror", "transposed"], ["6to3", "2to1"])
  func agreesWithPyTorch(rule: String, channels: String) throws {
    let name = "\(rule)-\(channels)"
    let file = try Fixtures.read("upconvolutions")
    let input = try file.image("\(name).input")
    let weights = try file.floats(of: "\(name).weights")
    let bias = try file.floats(of: "\(name).bias")
    let gradient = try file.image("\(name).output_gradient")
    let output: ReferenceImage
    let inputGradient: ReferenceImage
    let weightsGradient: [Float]
    let biasGradient: [Float]
    if rule == "transposed" {
      let kernel = ReferenceTransposedConvolution(
        inputChannels: input.channels, outputChannels: bias.count)
      output = kernel.output(of: input, weights: weights, bias: bias)
      inputGradient = kernel.inputGradient(
        input: input, weights: weights, outputGradient: gradient)
      weightsGradient = kernel.weightsGradient(input: input, outputGradient: gradient)
      biasGradient = kernel.biasGradient(outputGradient: gradient)
    } else {
      let kernel = ReferenceNearestUpConvolution(
        inputChannels: input.channels, outputChannels: bias.count,
        padding: rule == "nearest-zero" ? .zero : .mirror)
      output = kernel.output(of: input, weights: weights, bias: bias)
      inputGradient = kernel.inputGradient(
        input: input, weights: weights, outputGradient: gradient)
      weightsGradient = kernel.weightsGradient(input: input, outputGradient: gradient)
      biasGradient = kernel.biasGradient(outputGradient: gradient)
    }
    expectClose(output.values, try file.floats(of: "\(name).output"), .rounding)
    // The four parts of a doubled pixel are rounded before they are added.
    expectClose(
      inputGradient.values, try file.floats(of: "\(name).input_gradient"), absolute: 1e-6,
      relative: 1e-6)
    expectClose(weightsGradient, try file.floats(of: "\(name).weights_gradient"), .rounding)
    expectClose(biasGradient, try file.floats(of: "\(name).bias_gradient"), .rounding)
  }
}
