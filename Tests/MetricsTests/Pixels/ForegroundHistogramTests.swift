// The best threshold of the foreground: by hand, and against a search that counts pixels for each threshold.

import Metrics
import Testing

@Suite struct ForegroundHistogramTests {
  private func histogram(_ pixels: [(isForeground: Bool, probability: Float)])
    -> ForegroundHistogram
  {
    var histogram = ForegroundHistogram()
    for pixel in pixels {
      histogram.add(
        isForeground: pixel.isForeground, bin: ForegroundHistogram.bin(pixel.probability))
    }
    return histogram
  }

  @Test func aBinIsTheNumberOfThresholdsBelow() {
    for k in 1..<100 {
      let threshold = ForegroundHistogram.threshold(k)
      #expect(ForegroundHistogram.bin(threshold) == k - 1)
      #expect(ForegroundHistogram.bin(threshold.nextUp) == k)
    }
    // A network whose numbers are broken is scored, and no pixel of it is foreground.
    #expect(ForegroundHistogram.bin(.nan) == 0 && ForegroundHistogram.bin(.infinity) == 99)
    #expect(ForegroundHistogram.bin(0) == 0 && ForegroundHistogram.bin(1) == 99)
    #expect(ForegroundHistogram.bin(0.0100001) == 1 && ForegroundHistogram.bin(0.9999) == 99)
  }

  // Above 0.34 lie 0.9, 0.8, 0.35 and the 0.4 of the background: 2 * 3 / (3 + 1 + 3) = 6 / 7. Above 0.4 it is
  // 2 * 2 / (2 + 0 + 3) = 4 / 5. From 0.2 to 0.34 all are alike, and 0.34 is nearest to a half.
  @Test func byHand() {
    let found = histogram([
      (true, 0.9), (true, 0.8), (true, 0.35), (false, 0.4), (false, 0.2), (false, 0.1),
    ])
    #expect(found.best?.threshold == 0.34 && found.best?.dice == 6.0 / 7)
    #expect(found.flat.reduce(0, +) == 6)
    #expect(ForegroundHistogram(flat: found.flat) == found)
    // All thresholds from 0.4 to 0.59 part these; the middle one wins, and of 0.4 and 0.6 the lower.
    #expect(histogram([(true, 0.6), (false, 0.4)]).best?.threshold == 0.5)
    #expect(histogram([(false, 0.1), (false, 0.9)]).best == nil)
    #expect(ForegroundHistogram().best == nil)
  }

  @Test(arguments: 0..<20) func noOtherThresholdIsBetter(_ seed: Int) {
    var state = UInt64(seed) &* 2_654_435_761 &+ 1
    func next() -> Float {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / Float(1 << 24)
    }
    let pixels = (0..<300).map { _ in
      let isForeground = next() < 0.3
      return (isForeground: isForeground, probability: (next() + (isForeground ? 0.4 : 0)) / 1.4)
    }
    func dice(_ threshold: Double) -> Double {
      let found = pixels.filter { $0.probability > Float(threshold) }
      let hits = found.filter(\.isForeground).count
      let all = pixels.filter(\.isForeground).count
      return Double(2 * hits) / Double(found.count + all)
    }
    let best = histogram(pixels).best
    let thresholds = (1..<100).map { Double($0) / 100 }
    #expect(best?.dice == thresholds.map(dice).max())
    #expect(best.map { dice($0.threshold) } == best?.dice)
  }
}
