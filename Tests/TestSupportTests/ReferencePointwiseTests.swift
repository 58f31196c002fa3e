// The oracles for pooling, ReLU, loss and optimisers against values by hand and PyTorch.

import Files
import TestSupport
import Testing

@Suite struct ReferencePointwiseTests {
  @Test func rectifierHasNoGradientAtZero() {
    #expect(ReferenceReLU.output(of: [-1, 0, 2]) == [0, 0, 2])
    #expect(
      ReferenceReLU.inputGradient(output: [0, 0, 2], outputGradient: [5, 6, 7]) == [0, 0, 7])
  }

  @Test func poolingTakesTheFirstOfEquals() {
    let input = ReferenceImage(height: 2, width: 2, channels: 1, values: [3, 4, 4, 4])
    #expect(ReferenceMaxPooling.output(of: input).values == [4])
    let gradient = ReferenceImage(height: 1, width: 1, channels: 1, values: [9])
    #expect(
      ReferenceMaxPooling.inputGradient(input: input, outputGradient: gradient).values
        == [0, 9, 0, 0])
  }

  @Test func poolingAgreesWithPyTorch() throws {
    let file = try Fixtures.read("pooling-and-loss")
    let input = try file.image("pooling.input")
    #expect(ReferenceMaxPooling.output(of: input) == (try file.image("pooling.output")))
    let gradient = ReferenceMaxPooling.inputGradient(
      input: input, outputGradient: try file.image("pooling.output_gradient"))
    #expect(gradient == (try file.image("pooling.input_gradient")))
  }

  /// Equal logits of two classes: the loss is the weight times log 2, the gradient half the weight.
  @Test func lossByHand() {
    let loss = ReferenceSegmentationLoss(classWeights: [1, 3], divisor: 2)
    let logits = ReferenceImage(height: 1, width: 2, channels: 2, values: [7, 7, -5, -5])
    expectClose(
      [loss.loss(logits: logits, labels: [0, 1])], [2 * 0.693_147_180_559_945_3],
      absolute: 1e-14, relative: 0)
    #expect(
      loss.logitsGradient(logits: logits, labels: [0, 1]).values == [-0.25, 0.25, 0.75, -0.75])
  }

  @Test func lossAgreesWithPyTorch() throws {
    let file = try Fixtures.read("pooling-and-loss")
    let logits = try file.image("loss.logits")
    let labels = try file.floats(of: "loss.labels").map { Int($0) }
    let loss = ReferenceSegmentationLoss(
      classWeights: try file.floats(of: "loss.class_weights"), divisor: Double(labels.count))
    expectClose(
      [Float(loss.loss(logits: logits, labels: labels))], try file.floats(of: "loss.value"),
      .rounding)
    expectClose(
      ReferenceSegmentationLoss.softmax(logits).map { Float($0) },
      try file.floats(of: "loss.probabilities"), .rounding)
    expectClose(
      loss.logitsGradient(logits: logits, labels: labels).values,
      try file.floats(of: "loss.logits_gradient"), .rounding)
  }

  @Test func lossHasItsGradient() {
    let image = ReferenceImage.random(height: 2, width: 3, channels: 3, seed: 5)
    let labels = [0, 2, 1, 1, 0, 2]
    let loss = ReferenceSegmentationLoss(classWeights: [1, 0.5, 2], divisor: 6)
    let analytic = loss.logitsGradient(logits: image, labels: labels).values.map { Double($0) }
    let deviation = gradientDeviation(
      of: { point in
        var moved = image
        moved.values = point.map { Float($0) }
        return loss.loss(logits: moved, labels: labels)
      }, at: image.values.map { Double($0) }, analytic: analytic, epsilon: 1e-2)
    #expect(deviation.error < 1e-4, "\(deviation)")
  }

  @Test(arguments: ["sgd", "adam", "adamw"])
  func optimizersAgreeWithPyTorch(name: String) throws {
    let file = try Fixtures.read("optimizers")
    let setting = { (key: String) in
      try #require(file.metadata["\(name).\(key)"].flatMap { Double($0) })
    }
    var parameters = try file.floats(of: "parameter").map { Double($0) }
    let gradients = try file.floats(of: "gradients").map { Double($0) }
    let expected = try file.floats(of: "\(name).parameter")
    let count = parameters.count
    let rate = try setting("lr")
    let decay = try setting("weight_decay")
    var descent = ReferenceSGD(
      count: count, momentum: name == "sgd" ? try setting("momentum") : 0, weightDecay: decay)
    var adam = ReferenceAdam(count: count, weightDecay: decay, isDecayDecoupled: name == "adamw")
    for step in 0..<5 {
      let part = step * count..<(step + 1) * count
      let gradient = Array(gradients[part])
      if name == "sgd" {
        descent.step(&parameters, gradients: gradient, learningRate: rate)
      } else {
        adam.step(&parameters, gradients: gradient, learningRate: rate)
      }
      expectClose(parameters.map { Float($0) }, Array(expected[part]), .rounding)
      let momentum = name == "sgd" ? descent.velocity : adam.momentum
      expectClose(
        momentum.map { Float($0) }, Array(try file.floats(of: "\(name).momentum")[part]),
        .rounding)
      if name != "sgd" {
        expectClose(
          adam.variance.map { Float($0) }, Array(try file.floats(of: "\(name).variance")[part]),
          .rounding)
      }
    }
  }
}
