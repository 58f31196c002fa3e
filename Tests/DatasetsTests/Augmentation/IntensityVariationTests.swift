// Changes of intensities by their definitions, and the steps as text.

import Datasets
import Foundation
import Randomness
import Testing

@Suite struct IntensityVariationTests {
  private static let side = 32

  private static func tile(_ channels: Int) -> [Float] {
    var stream = RandomStream(seed: 4, purpose: .synthesis)
    return (0..<side * side * channels).map { _ in stream.normalPair().0 * 2 + 1 }
  }

  private static func varied(
    _ channels: Int, _ change: (inout IntensityVariation) -> Void
  ) -> (before: [Float], after: [Float]) {
    var variation = IntensityVariation()
    change(&variation)
    let before = tile(channels)
    var after = before
    after.withUnsafeMutableBufferPointer {
      variation.apply(to: $0, side: side, channels: channels)
    }
    return (before, after)
  }

  private static func moments(
    _ values: [Float], channel: Int, channels: Int
  ) -> (mean: Double, deviation: Double) {
    let own = stride(from: channel, to: values.count, by: channels).map { Double(values[$0]) }
    let mean = own.reduce(0, +) / Double(own.count)
    let squares = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (mean, (squares / Double(own.count)).squareRoot())
  }

  @Test(arguments: [1, 3]) func contrastKeepsTheMeanAndBrightnessTheDeviation(_ channels: Int) {
    let (before, after) = Self.varied(channels) {
      $0.contrast = 1.25
      $0.brightness = -0.5
    }
    for channel in 0..<channels {
      let (old, new) = (
        Self.moments(before, channel: channel, channels: channels),
        Self.moments(after, channel: channel, channels: channels)
      )
      #expect(abs(new.deviation - 1.25 * old.deviation) < 1e-4)
      #expect(abs(new.mean - (old.mean - 0.5 * old.deviation)) < 1e-4)
    }
  }

  @Test func gammaRaisesWithinTheRange() throws {
    let (before, after) = Self.varied(1) { $0.gamma = 1.5 }
    let (low, high) = (try #require(before.min()), try #require(before.max()))
    for (old, new) in zip(before, after) {
      let part = pow(Double((old - low) / (high - low)), 1.5)
      #expect(abs(Double(new) - (Double(low) + part * Double(high - low))) < 1e-4)
    }
    #expect(abs((after.min() ?? 0) - low) < 1e-5 && abs((after.max() ?? 0) - high) < 1e-4)
  }

  @Test func powersAreThoseOfTheLibrary() {
    for base in stride(from: Float(0), through: 1, by: 0.001) {
      for exponent in [Float(0.3), 0.7, 1, 1.5, 4] {
        #expect(abs(Powers.power(base, exponent) - pow(base, exponent)) < 1e-5)
      }
    }
    #expect(Powers.power(0, 0.5) == 0 && Powers.power(1e-38, 10) == 0)
  }

  @Test(arguments: [Float(0.3), 0.7, 1, 1.5, 4]) func aTableHasTheSamePowers(_ exponent: Float) {
    let power = PowerTable(exponent: exponent)
    // Steps that meet the table's ends, its values and what lies between; small ones by their logarithms.
    let bases =
      (0...5000).map { Float($0) / 5000 }
      + stride(from: Float(-40), through: 0, by: 0.01).map { exp2($0) }
    for base in bases {
      let expected = Double(pow(base, exponent))
      #expect(abs(Double(power(base)) - expected) <= 1e-4 * expected + 1e-9)
    }
    #expect(power(0) == 0 && power(1) == Powers.power(1, exponent))
  }

  /// Values that are not a multiple of eight, so that sums have a rest.
  @Test func aChannelOfAnyCountIsVaried() {
    var variation = IntensityVariation()
    variation.gamma = 0.7
    variation.contrast = 1.25
    var tile: [Float] = (0..<9 * 3).map { Float($0 * 7 % 10) }
    let before = tile
    tile.withUnsafeMutableBufferPointer { variation.apply(to: $0, side: 3, channels: 3) }
    for channel in 0..<3 {
      let own = stride(from: channel, to: before.count, by: 3).map { Double(before[$0]) }
      let (low, high) = (own.min() ?? 0, own.max() ?? 0)
      let raised = own.map { low + (high - low) * pow(($0 - low) / (high - low), 0.7) }
      let mean = raised.reduce(0, +) / 9
      for (pixel, value) in raised.enumerated() {
        #expect(abs(Double(tile[pixel * 3 + channel]) - (mean + 1.25 * (value - mean))) < 1e-4)
      }
    }
  }

  @Test func coloursTurnAboutGrey() {
    let (before, after) = Self.varied(3) { $0.saturation = (factor: 0.5, hue: 2 * .pi / 3) }
    for pixel in stride(from: 0, to: before.count, by: 3) {
      let grey = (before[pixel] + before[pixel + 1] + before[pixel + 2]) / 3
      // A third of a turn takes red to green, green to blue, blue to red.
      for channel in 0..<3 {
        let expected = grey + 0.5 * (before[pixel + (channel + 2) % 3] - grey)
        #expect(abs(after[pixel + channel] - expected) < 1e-5)
      }
    }
    let grey = Self.varied(1) { $0.saturation = (factor: 0.5, hue: 1) }
    #expect(grey.before == grey.after)
  }

  @Test func noiseHasItsDeviation() {
    let stream = RandomStream(seed: 1, purpose: .augmentation)
    let (before, after) = Self.varied(3) {
      $0.noise = .init(deviation: 0.1, stream: stream, firstBlock: 100)
    }
    var noises: [[Float]] = []
    for channel in 0..<3 {
      let scale = Self.moments(before, channel: channel, channels: 3).deviation
      let noise = stride(from: channel, to: before.count, by: 3).map { after[$0] - before[$0] }
      let deviation = Self.moments(noise, channel: 0, channels: 1).deviation
      #expect(abs(deviation / scale - 0.1) < 0.01)
      noises.append(noise)
    }
    #expect(noises[0] != noises[1])
  }

  @Test func blurIsTheGaussian() {
    let (before, after) = Self.varied(1) { $0.blur = 0.8 }
    let radius = 3
    let taps = (-radius...radius).map { exp(-Double($0 * $0) / (2 * 0.8 * 0.8)) }
    let sum = taps.reduce(0, +)
    for row in 0..<Self.side {
      for column in 0..<Self.side {
        var expected = 0.0
        for (i, down) in taps.enumerated() {
          for (j, right) in taps.enumerated() {
            let y = min(max(row + i - radius, 0), Self.side - 1)
            let x = min(max(column + j - radius, 0), Self.side - 1)
            expected += down * right * Double(before[y * Self.side + x]) / (sum * sum)
          }
        }
        #expect(abs(Double(after[row * Self.side + column]) - expected) < 1e-5)
      }
    }
  }

  /// What a step draws does not depend on which others are in use.
  @Test func aStepLeavesTheOthersAlone() throws {
    let image = DatasetImage(
      id: 0, name: "", width: 50, height: 50, channels: 1,
      pixels: (0..<2500).map { Float($0 % 97) }, labels: [UInt8](repeating: 0, count: 2500))
    func tile(_ steps: [String]) throws -> [Float] {
      let buffer = SampleBuffer(tile: .init(inputSide: 24, outputSide: 24), channels: 1)
      let steps = try steps.map { try #require(AugmentationStep(text: $0)) }
      Augmentation(steps).fill(
        buffer, from: image, stream: Augmentation.stream(seed: 5, epoch: 1, draw: 7))
      return (0..<buffer.imageCount).map { buffer.image[$0] }
    }
    let base = ["flip", "shift", "rotate=180:1"]
    let plain = try tile(base)
    // Steps of intensity which change nothing when they are drawn.
    let others = ["contrast=1:1:1", "brightness=0:1", "gamma=1:1:0", "noise=0:1", "scale=1:1:1"]
    let more = try tile(base + others)
    #expect(zip(plain, more).allSatisfy { abs($0 - $1) < 1e-3 })
    #expect(try tile(["flip", "shift", "rotate=90:1"]) != plain)
  }

  @Test func stepsAreText() {
    for kind in AugmentationStep.Kind.allCases {
      let step = AugmentationStep(kind)
      #expect(AugmentationStep(text: step.text) == step)
      #expect(AugmentationStep(text: kind.rawValue) == step)
    }
    #expect(AugmentationStep(text: "elastic=5")?.strengths == [5, 3, 0.5])
    #expect(AugmentationStep(text: "scale=0.8:1.25")?.text == "scale=0.8:1.25:0.3")
    for text in [
      "", "turn", "flip=1", "rotate=181", "rotate=-1", "rotate=x", "scale=2:1", "scale=0.5:",
      "elastic=1:2:3", "elastic=1:1", "noise=nan", "blur=inf", "gamma=1:2:0.5:1", "elastic=10:3.7",
    ] {
      #expect(AugmentationStep(text: text) == nil, "\(text)")
      #expect(AugmentationStep.fault(in: text) != nil, "\(text)")
    }
    for (text, fault) in [
      ("turn", "\"turn\", which is no step"), ("flip=1", "strengths of flip, which has none"),
      ("gamma=1:2:0.5:1", "4 strengths of gamma, which has 3"),
      (
        "elastic=10:3.7",
        "elastic with grid points 3.7, which must be a whole number from 2 to 64"
      ),
      ("scale=2:1", "scale with a smallest above its largest"),
    ] {
      #expect(AugmentationStep.fault(in: text) == fault)
    }
    #expect(AugmentationStep.fault(in: "elastic=5") == nil)
  }
}
