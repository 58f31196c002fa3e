// Losses against PyTorch, their own differences, and a value worked out by hand.

import Files
import Foundation
import Kernels
import Tensors
import TestSupport
import Testing
import Threading

@Suite struct SegmentationLossTests {
  private static let weights: [Float] = [0.5, 1, 2, 3.25]

  private static let losses: [(name: String, loss: any SegmentationLoss)] = [
    ("cross-entropy", SoftmaxCrossEntropy(classWeights: weights)), ("dice", SoftDice()),
    ("cross-entropy-dice", SoftDice(plus: SoftmaxCrossEntropy(classWeights: weights))),
    ("focal", SoftmaxCrossEntropy(classWeights: weights, isFocal: true)),
  ]

  private static func run(
    _ loss: any SegmentationLoss, _ logits: ReferenceImage, _ labels: [UInt8],
    _ weights: [Float]?, scale: Float, threads: Int = 1
  ) -> (value: Double, gradient: [Float]) {
    let image = OwnedImage(logits)
    // What is overwritten must not count.
    let gradient = OwnedImage(logits.height, logits.width, logits.channels)
    gradient.buffer.floats.update(repeating: .nan)
    var workspace = [Double](
      repeating: .nan, count: logits.height * loss.workspacePerRow(classes: logits.channels))
    let value = (weights ?? []).withUnsafeBufferPointer { pointer in
      loss.lossAndGradient(
        logits: image.view, labels: labels, weights: weights == nil ? nil : pointer.baseAddress,
        scale: scale, gradient: gradient.view, workspace: &workspace,
        on: ThreadTeam(count: threads))
    }
    return (value, gradient.values)
  }

  @Test(arguments: losses.indices) func agreesWithPyTorch(_ index: Int) throws {
    let (name, loss) = Self.losses[index]
    let file = try Fixtures.read("losses")
    let logits = try file.image("logits")
    let labels = try file.floats(of: "labels").map { UInt8($0) }
    let pixels = Float(labels.count)
    #expect(labels.contains(ignoredLabel))
    var bits = Set<UInt64>()
    for threads in [1, 2, 3] {
      let (value, gradient) = Self.run(
        loss, logits, labels, try file.floats(of: "weights"), scale: 1 / pixels, threads: threads)
      bits.insert(value.bitPattern)
      expectClose(
        [value / Double(pixels)], try file.floats(of: "\(name).value").map { Double($0) },
        absolute: 1e-6, relative: 1e-6)
      expectClose(
        gradient, try file.floats(of: "\(name).gradient"), absolute: 1e-7, relative: 1e-5)
    }
    #expect(bits.count == 1)
  }

  @Test(arguments: losses.indices) func theGradientIsThatOfTheLoss(_ index: Int) {
    let loss = Self.losses[index].loss
    let logits = ReferenceImage.random(height: 3, width: 4, channels: 4, seed: 1)
    let labels = (0..<12).map { $0 == 5 ? ignoredLabel : UInt8($0 * 5 % 4) }
    let pixelWeights = (0..<12).map { 0.25 + Float($0) / 4 }
    func result(_ scores: [Float]) -> (value: Double, gradient: [Float]) {
      var image = logits
      image.values = scores
      return Self.run(loss, image, labels, pixelWeights, scale: 1)
    }
    let worst = gradientDeviation(
      of: { result($0.map { Float($0) }).value }, at: logits.values.map { Double($0) },
      analytic: result(logits.values).gradient.map { Double($0) }, epsilon: 1e-2)
    #expect(worst.error < 2e-3, "\(worst)")
  }

  /// Two pixels of two classes with probabilities 1/2: either Dice is (2/2) / (1 + 1) = 1/2.
  @Test func diceByHand() {
    let logits = ReferenceImage(height: 1, width: 2, channels: 2, values: [0, 0, 0, 0])
    let (value, gradient) = Self.run(SoftDice(), logits, [0, 1], nil, scale: 0.5)
    #expect(abs(value - 2 * 0.5) < 1e-7)
    // By the p of another class than the label's (1/4) / 2, of the label's own (1/4 - 1) / 2; by a
    // logit p (1 - p) of their difference.
    expectClose(
      gradient.map { Double($0) }, [-1.0 / 8, 1.0 / 8, 1.0 / 8, -1.0 / 8], absolute: 1e-7,
      relative: 1e-6)
  }

  /// Two pixels of classes 1 and 2 of three, all probabilities 1/3: D(1) = (2/3) / (2/3 + 1) = 2/5, and
  /// class 0, which does not occur, has none.
  ///
  /// Without class 2 there is one pixel: D(1) = (2/3) / (1/3 + 1).
  @Test func classesMayBeLeftOutOfDice() {
    let logits = ReferenceImage(
      height: 1, width: 2, channels: 3, values: [Float](repeating: 0, count: 6))
    let (value, learnt) = Self.run(SoftDice(omitting: [2]), logits, [1, 2], nil, scale: 1)
    #expect(abs(value - 2 * (1 - 1.0 / 2)) < 1e-7)
    #expect(learnt.prefix(3).allSatisfy { $0 != 0 } && learnt.suffix(3).allSatisfy { $0 == 0 })
    let (both, _) = Self.run(SoftDice(), logits, [1, 2], nil, scale: 1)
    #expect(abs(both - 2 * (1 - 2.0 / 5)) < 1e-7)
    let (none, gradient) = Self.run(SoftDice(omitting: [1, 2]), logits, [1, 2], nil, scale: 1)
    #expect(none == 0 && gradient.allSatisfy { $0 == 0 })
  }

  /// The mean over the pixels that count, whatever else there is.
  @Test func ignoredPixelsDoNotMakeTheLossLess() {
    let few = ReferenceImage(height: 1, width: 2, channels: 2, values: [1, 0, 0, 2])
    let many = ReferenceImage(
      height: 1, width: 4, channels: 2, values: [1, 0, 0, 2, 5, 5, -3, 4])
    let (first, gradient) = Self.run(SoftmaxCrossEntropy(), few, [1, 0], nil, scale: 1.0 / 2)
    let (second, other) = Self.run(
      SoftmaxCrossEntropy(), many, [1, 0, 255, 255], nil, scale: 1.0 / 4)
    #expect(abs(first / 2 - second / 4) < 1e-12)
    #expect(Array(other.prefix(4)) == gradient && other.suffix(4).allSatisfy { $0 == 0 })
  }

  @Test func whatIsIgnoredHasNoLoss() {
    let logits = ReferenceImage.random(height: 2, width: 3, channels: 4, seed: 2)
    let labels = [UInt8](repeating: ignoredLabel, count: 6)
    for (name, loss) in Self.losses {
      let (value, gradient) = Self.run(loss, logits, labels, nil, scale: 1)
      #expect(abs(value) < 1e-12, "\(name)")
      #expect(gradient.allSatisfy { $0 == 0 }, "\(name)")
    }
  }
}
