// The oracle for convolutions against sums done by hand and against PyTorch.

import Files
import TestSupport
import Testing

@Suite struct ReferenceConvolutionTests {
  /// 3 x 3 pixels under the kernel 1 2 3 / 0 1 0 / 1 2 3: 1*1+2*2+3*3 + 5 + 7*1+8*2+9*3 = 69.
  @Test func sumByHand() {
    let convolution = ReferenceConvolution(
      inputChannels: 1, outputChannels: 1, kernel: 3, padding: .none)
    let input = ReferenceImage(
      height: 3, width: 3, channels: 1, values: [1, 2, 3, 4, 5, 6, 7, 8, 9])
    let weights: [Float] = [1, 2, 3, 0, 1, 0, 1, 2, 3]
    let output = convolution.output(of: input, weights: weights, bias: [0.5])
    #expect(output == ReferenceImage(height: 1, width: 1, channels: 1, values: [69.5]))

    let gradient = ReferenceImage(height: 1, width: 1, channels: 1, values: [2])
    #expect(
      convolution.weightsGradient(input: input, outputGradient: gradient)
        == input.values.map { 2 * $0 })
    #expect(
      convolution.inputGradient(input: input, weights: weights, outputGradient: gradient).values
        == weights.map { 2 * $0 })
    #expect(convolution.biasGradient(outputGradient: gradient) == [2])
  }

  /// The corner of the same image, padded: 1 1 2 / 1 1 2 / 4 4 5 with mirroring, that is
  /// 1+2+6 + 1 + 4+8+15 = 37, and 0 0 0 / 0 1 2 / 0 4 5 with zeros, that is 1 + 8+15 = 24.
  @Test(arguments: [(ReferencePadding.mirror, Float(37)), (.zero, 24)])
  func cornerByHand(padding: ReferencePadding, expected: Float) {
    let convolution = ReferenceConvolution(
      inputChannels: 1, outputChannels: 1, kernel: 3, padding: padding)
    let input = ReferenceImage(
      height: 3, width: 3, channels: 1, values: [1, 2, 3, 4, 5, 6, 7, 8, 9])
    let output = convolution.output(
      of: input, weights: [1, 2, 3, 0, 1, 0, 1, 2, 3], bias: nil)
    #expect(output.height == 3 && output.width == 3)
    #expect(output[0, 0, 0] == expected)
  }

  @Test func mirroringRepeatsTheBorderAndTurnsAtBothEnds() {
    let convolution = ReferenceConvolution(
      inputChannels: 1, outputChannels: 1, kernel: 1, padding: .mirror)
    let places = (-4..<8).map { convolution.source($0, length: 3) }
    // c c b a | a b c | c b a a b, each letter its index.
    #expect(places == [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1])
  }

  @Test func agreesWithPyTorch() throws {
    let file = try Fixtures.read("convolutions")
    let cases = file.metadata.filter { $0.key != "format" }
    #expect(cases.count == 14)
    for (name, settings) in cases {
      let fields = settings.split(separator: " ").map(String.init)
      try #require(fields.count == 5)
      let input = try file.image("\(name).input")
      let weights = try file.floats(of: "\(name).weights")
      let bias = try file.floats(of: "\(name).bias")
      let gradient = try file.image("\(name).output_gradient")
      let convolution = ReferenceConvolution(
        inputChannels: input.channels, outputChannels: bias.count,
        kernel: try #require(Int(fields[0])), stride: try #require(Int(fields[1])),
        padding: try #require(ReferencePadding(rawValue: fields[2])),
        before: Int(fields[3]), after: Int(fields[4]))
      let output = convolution.output(of: input, weights: weights, bias: bias)
      let expected = try file.image("\(name).output")
      #expect((output.height, output.width) == (expected.height, expected.width))
      expectClose(output.values, expected.values, .rounding, name)
      expectClose(
        convolution.inputGradient(input: input, weights: weights, outputGradient: gradient).values,
        try file.floats(of: "\(name).input_gradient"), .rounding, name)
      expectClose(
        convolution.weightsGradient(input: input, outputGradient: gradient),
        try file.floats(of: "\(name).weights_gradient"), .rounding, name)
      expectClose(
        convolution.biasGradient(outputGradient: gradient),
        try file.floats(of: "\(name).bias_gradient"), .rounding, name)
    }
  }
}
