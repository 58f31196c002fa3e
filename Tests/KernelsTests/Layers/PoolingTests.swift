// Max pooling, the loss and dropout against the naive loops.

import Kernels
import Randomness
import Tensors
import TestSupport
import Testing
import Threading

@Suite struct PoolingTests {
  @Test(arguments: [1, 5, 16, 37]) func poolingAgreesWithTheReference(_ channels: Int) {
    var input = ReferenceImage.random(height: 8, width: 6, channels: channels, seed: 1)
    // Ties: the first in row order wins.
    for c in 0..<channels {
      input[0, 0, c] = 2
      input[0, 1, c] = 2
      input[3, 2, c] = 3
      input[2, 3, c] = 3
    }
    let gradient = ReferenceImage.random(height: 4, width: 3, channels: channels, seed: 2)
    let skip = ReferenceImage.random(height: 4, width: 2, channels: channels, seed: 3)
    let expected = ReferenceMaxPooling.output(of: input)
    var expectedGradient = ReferenceMaxPooling.inputGradient(input: input, outputGradient: gradient)
    for y in 0..<4 {
      for x in 0..<2 {
        for c in 0..<channels { expectedGradient[y + 2, x + 2, c] += skip[y, x, c] }
      }
    }
    for threads in [1, 2, 3] {
      let team = ThreadTeam(count: threads)
      let image = OwnedImage(input)
      let output = OwnedImage(4, 3, channels)
      // What lies around the skip's gradient is overwritten.
      let inputGradient = OwnedImage(
        ReferenceImage.random(height: 8, width: 6, channels: channels, seed: 4))
      for y in 0..<4 {
        for x in 0..<2 {
          for c in 0..<channels { inputGradient.view.pixel(y + 2, x + 2)[c] = skip[y, x, c] }
        }
      }
      var indices = [UInt8](repeating: 9, count: 4 * 3 * channels)
      indices.withUnsafeMutableBufferPointer { indices in
        guard let indices = indices.baseAddress else { return }
        MaxPooling.forward(image.view, into: output.view, indices: indices, on: team)
        MaxPooling.backward(
          OwnedImage(gradient).view, indices: indices,
          skipGradient: inputGradient.view.centred(height: 4, width: 2), into: inputGradient.view,
          on: team)
        #expect(inputGradient.values == expectedGradient.values)
        // The same with what goes across kept by itself.
        let across = OwnedImage(4, 2, channels)
        MaxPooling.forward(
          image.view, into: output.view, indices: indices, skip: across.view, on: team)
        for y in 0..<4 {
          for x in 0..<2 {
            for c in 0..<channels {
              #expect(across.view.pixel(y, x)[c] == input[y + 2, x + 2, c])
              across.view.pixel(y, x)[c] = skip[y, x, c]
            }
          }
        }
        let separate = OwnedImage(
          ReferenceImage.random(height: 8, width: 6, channels: channels, seed: 5))
        MaxPooling.backward(
          OwnedImage(gradient).view, indices: indices, skipGradient: across.view,
          into: separate.view, on: team)
        #expect(separate.values == expectedGradient.values)
      }
      #expect(output.values == expected.values)
    }
  }

  /// 16 channels are a vector, the 17th to 19th are its tail.
  @Test(arguments: 0..<4) func poolingKeepsWhatIsNotANumber(_ place: Int) {
    let channels = 19
    for channel in [0, 5, 15, 16, 18] {
      var input = ReferenceImage.random(height: 2, width: 2, channels: channels, seed: 1)
      input[place / 2, place % 2, channel] = .nan
      let team = ThreadTeam(count: 1)
      let output = OwnedImage(1, 1, channels)
      let inputGradient = OwnedImage(2, 2, channels)
      var indices = [UInt8](repeating: 9, count: channels)
      MaxPooling.forward(
        OwnedImage(input).view, into: output.view, indices: &indices, on: team)
      MaxPooling.backward(
        OwnedImage(ReferenceImage.random(height: 1, width: 1, channels: channels, seed: 2)).view,
        indices: indices, skipGradient: nil, into: inputGradient.view, on: team)
      let isBroken = output.values.map(\.isNaN)
      #expect(isBroken == (0..<channels).map { $0 == channel })
      #expect(Int(indices[channel]) == place)
      let gradients = (0..<4).map { inputGradient.values[$0 * channels + channel] }
      #expect((0..<4).filter { gradients[$0] != 0 } == [place])
    }
  }

  @Test(arguments: [2, 3, 7]) func lossAgreesWithTheReference(_ classes: Int) {
    let logits = ReferenceImage.random(height: 5, width: 9, channels: classes, seed: 1)
    let labels = (0..<45).map { $0 * 7 % classes }
    let weights = (0..<classes).map { 0.5 + Float($0) }
    let oracle = ReferenceSegmentationLoss(classWeights: weights, divisor: 90)
    var bits = Set<UInt64>()
    for threads in [1, 2, 3] {
      let team = ThreadTeam(count: threads)
      let image = OwnedImage(logits)
      let gradient = OwnedImage(5, 9, classes)
      var rowSums = [Double](repeating: 0, count: 5)
      let loss = SoftmaxCrossEntropy(classWeights: weights).lossAndGradient(
        logits: image.view, labels: labels.map { UInt8($0) }, weights: nil, scale: 1 / 90,
        gradient: gradient.view, workspace: &rowSums, on: team)
      bits.insert(loss.bitPattern)
      expectClose(
        [loss / 90], [oracle.loss(logits: logits, labels: labels)], absolute: 1e-6,
        relative: 1e-6)
      expectClose(
        gradient.values, oracle.logitsGradient(logits: logits, labels: labels).values,
        absolute: 1e-7, relative: 1e-5)
    }
    #expect(bits.count == 1)
  }

  @Test func largeScoresDoNotOverflow() {
    let logits = OwnedImage(1, 1, 2)
    logits.buffer.base[0] = 1000
    logits.buffer.base[1] = -1000
    let gradient = OwnedImage(1, 1, 2)
    var rowSums = [0.0]
    let loss = SoftmaxCrossEntropy().lossAndGradient(
      logits: logits.view, labels: [1], weights: nil, scale: 1, gradient: gradient.view,
      workspace: &rowSums, on: ThreadTeam(count: 1))
    #expect(loss == 2000)
    #expect(gradient.values == [1, -1])
  }

  @Test func dropoutKeepsItsShareWhateverTheThreads() {
    let stream = RandomStream(seed: 1, purpose: .dropout, epoch: 2, sample: 3)
    let results = [1, 2, 3].map { threads in
      let image = OwnedImage(100, 33, 7)
      image.buffer.floats.update(repeating: 1)
      let next = Dropout.apply(
        image.view, probability: 0.25, stream: stream, firstBlock: 5,
        on: ThreadTeam(count: threads))
      #expect(next == 5 + (100 * 33 * 7 + 3) / 4)
      return image.values
    }
    #expect(results[0] == results[1] && results[0] == results[2])
    let kept = results[0].filter { $0 != 0 }
    #expect(kept.allSatisfy { $0 == 1 / Float(0.75) })
    // Four standard errors of 23,100 coins of 3/4.
    #expect(abs(Double(kept.count) / 23_100 - 0.75) < 0.0115)
    let gradient = OwnedImage(ReferenceImage.random(height: 100, width: 33, channels: 7, seed: 1))
    let before = gradient.values
    Dropout.scaleGradient(gradient.view, probability: 0.25, on: ThreadTeam(count: 2))
    #expect(gradient.values == before.map { $0 * (1 / Float(0.75)) })
  }
}
