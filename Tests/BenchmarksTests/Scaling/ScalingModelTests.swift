// The model of a step on many ranks, against what can be said in closed form.

import Benchmarks
import Communication
import Testing

@Suite struct ScalingModelTests {
  private static let buckets = GradientBuckets(elementCount: 4 << 20, byteCount: 1 << 20)

  /// A step of 1 + 2 + 0.1 s whose buckets become final evenly over the backward pass.
  private static func model(
    secondsPerByte: Double = 0, beside: Double? = nil, delay: Double = 0, latency: Double = 0,
    jitter: Double = 0, overlaps: Bool = true, buckets: GradientBuckets = buckets
  ) -> ScalingModel {
    let count = buckets.ranges.count
    return ScalingModel(
      computation: .init(
        before: 1, backward: 2,
        bucketsFinal: (1...count).map { 2 * Double($0) / Double(count) }, update: 0.1,
        jitter: jitter),
      network: .init(
        latency: latency, secondsPerByte: secondsPerByte, secondsPerByteBeside: beside,
        delayPerByte: delay),
      buckets: buckets, samples: 1, overlaps: overlaps)
  }

  private static func isClose(_ value: Double, _ expected: Double) -> Bool {
    abs(value - expected) < 1e-9
  }

  @Test func oneRankComputesOnly() {
    let alone = Self.model(secondsPerByte: 1, latency: 1, jitter: 0.1).prediction(ranks: 1)
    #expect(Self.isClose(alone.seconds, 3.1) && alone.exposed == 0 && alone.straggle == 0)
    #expect(Self.isClose(alone.efficiency, 1) && alone.sentByteCount == 0)
  }

  /// 2 n (p - 1) / p bytes after the backward pass.
  @Test(arguments: [2, 4, 64, 1024]) func withoutOverlapAllOfTheExchangeShows(_ ranks: Int) {
    let bytes = Double(2 * (16 << 20) * (ranks - 1) / ranks)
    let step = Self.model(secondsPerByte: 1e-8, overlaps: false).prediction(ranks: ranks)
    #expect(step.sentByteCount == Int(bytes))
    #expect(Self.isClose(step.exposed, bytes * 1e-8), "\(step)")
    #expect(Self.isClose(step.seconds, 3.1 + bytes * 1e-8), "\(step)")
  }

  /// The last bucket is final with the backward pass, and is sent while the others are updated.
  @Test func aFastLinkIsHidden() {
    let step = Self.model(secondsPerByte: 1e-9).prediction(ranks: 2)
    #expect(Self.isClose(step.exposed, 0), "\(step)")
    let shown = Self.model(secondsPerByte: 1e-9, overlaps: false).prediction(ranks: 2)
    #expect(Self.isClose(shown.exposed, Double(16 << 20) * 1e-9), "\(shown)")
  }

  /// A slow link never rests from the first bucket on.
  @Test func aSlowLinkSetsThePace() {
    let step = Self.model(secondsPerByte: 1e-6).prediction(ranks: 2)
    let transfer = Double(16 << 20) * 1e-6
    let firstFinal = 2 / Double(Self.buckets.ranges.count)
    let lastUpdate = 0.1 / Double(Self.buckets.ranges.count)
    #expect(Self.isClose(step.seconds, 1 + firstFinal + transfer + lastUpdate), "\(step)")
  }

  /// Both halves of the first bucket wait behind those of the second, which was posted in between.
  @Test func secondRoundsQueueBehindFirstRounds() {
    let two = GradientBuckets(elementCount: 2 << 18, byteCount: 1 << 20)
    let model = ScalingModel(
      computation: .init(before: 0, backward: 1, bucketsFinal: [0.2, 0.4], update: 0, jitter: 0),
      network: .init(latency: 0.1, secondsPerByte: 1 / Double(1 << 20)), buckets: two, samples: 1,
      overlaps: true)
    // Half a bucket takes 0.5 s: carried 0.7 (first), 1.2 (second's first half, posted at 0.4),
    // 1.7 (the first's other half, posted at 0.8), 2.2 and arrived at 2.3.
    #expect(Self.isClose(model.prediction(ranks: 2).seconds, 2.3))
    // With no other bucket between, the link rests for the latency.
    let one = ScalingModel(
      computation: .init(before: 0, backward: 1, bucketsFinal: [0.2], update: 0, jitter: 0),
      network: .init(latency: 0.1, secondsPerByte: 1 / Double(1 << 20)),
      buckets: GradientBuckets(elementCount: 1 << 18, byteCount: 1 << 20), samples: 1,
      overlaps: true)
    #expect(Self.isClose(one.prediction(ranks: 2).seconds, 1.4))
  }

  @Test func latencyCountsByRounds() {
    let one = GradientBuckets(elementCount: 1024)
    let step = Self.model(latency: 0.01, buckets: one).prediction(ranks: 8)
    // Three rounds of halves there, three back.
    #expect(Self.isClose(step.exposed, 0.06), "\(step)")
  }

  @Test func theExchangeDelaysWhatIsComputedBesideIt() {
    let free = Self.model(secondsPerByte: 1e-9).prediction(ranks: 2)
    let delayed = Self.model(secondsPerByte: 1e-9, beside: 3e-8, delay: 1e-8).prediction(ranks: 2)
    // All buckets but the last, which is final with the backward pass.
    let work = Double(15 << 20) * 1e-8
    #expect(Self.isClose(delayed.seconds - free.seconds, work), "\(delayed), \(free)")
  }

  /// The link never rests: half the speed until the backward pass has ended, then all of it.
  @Test func aLinkIsSlowerBesideABackwardPass() {
    let step = Self.model(secondsPerByte: 1e-6, beside: 2e-6).prediction(ranks: 2)
    let count = Double(Self.buckets.ranges.count)
    let beside = (2 - 2 / count) / 2e-6
    let rest = (Double(16 << 20) - beside) * 1e-6
    #expect(Self.isClose(step.seconds, 1 + 2 + rest + 0.1 / count), "\(step)")
  }

  @Test func theSlowestOfManyIsLater() {
    let model = Self.model(jitter: 0.02)
    let step = model.prediction(ranks: 1024)
    // The quantile at 1023.625 / 1024.25 of the normal distribution.
    #expect(abs(step.straggle - 0.02 * 3.2341 * 3.1) < 1e-4, "\(step)")
    // Within 5 % of the expectation of the larger of two, 1 / sqrt pi.
    let two = model.prediction(ranks: 2).straggle / (0.02 * 3.1)
    #expect(abs(two * Double.pi.squareRoot() - 1) < 0.05, "\(two)")
    let steps = (0...12).map { model.prediction(ranks: 1 << $0) }
    #expect(zip(steps, steps.dropFirst()).allSatisfy { $0.seconds < $1.seconds })
    #expect(steps.allSatisfy { $0.seconds >= 3.1 - 1e-9 && $0.efficiency <= 1 + 1e-9 })
  }

  /// Two nodes of the tree on some ranks: more bytes than with one.
  @Test func anyNumberOfRanks() {
    let model = Self.model(secondsPerByte: 1e-8, overlaps: false)
    for ranks in [3, 5, 6, 7, 12] {
      let step = model.prediction(ranks: ranks)
      let bytes = 2 * Double(16 << 20) * Double(ranks - 1) / Double(ranks)
      #expect(abs(Double(step.sentByteCount) / bytes - 1) < 0.01, "\(step)")
    }
  }
}
