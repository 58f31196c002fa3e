// A model of a training step on any number of ranks, from what a few ranks measure.

import Foundation

/// The time of a step by the schedule that the ranks carry out, on a network of given cost.
///
/// A bucket goes on its way when its gradients are final and the link has carried those before it:
///
///     begin(i)  = max(final(i), end of transfer(i - 1))
///     summed(i) = end of transfer(i) + rounds * latency
///
/// with bytes and rounds those of the ``ReductionSchedule`` of rank 0. Latencies of buckets overlap,
/// since several are under way at once. A byte takes `secondsPerByte`, or `secondsPerByteBeside` while
/// the backward pass goes on, and then delays that pass and what becomes final in it by
/// `delayPerByte`: where no core is spare, computing and exchanging slow each other down. Without
/// overlap all buckets are final when the backward pass has ended. Buckets are updated in turn, none
/// before the losses of all ranks have been gathered:
///
///     updated(i) = max(summed(i), updated(i - 1)) + update * elements(i) / elements
///
/// A step ends with the slowest of p ranks. Where their times are normally distributed with a
/// relative deviation sigma, that is about sigma * sqrt(2 ln p) beyond the mean (the expected
/// largest of p draws, from above).
public struct ScalingModel: Sendable {
  /// What a rank computes in a step, in seconds.
  public struct Computation: Sendable {
    /// Everything before the backward pass of the last sample.
    public var before: Double
    /// That backward pass.
    public var backward: Double
    /// When the gradients of each bucket are final, from the beginning of that backward pass.
    public var bucketsFinal: [Double]
    /// The update of all parameters.
    public var update: Double
    /// The relative standard deviation of all of it.
    public var jitter: Double

    /// A step from its parts.
    public init(
      before: Double, backward: Double, bucketsFinal: [Double], update: Double, jitter: Double
    ) {
      self.before = before
      self.backward = backward
      self.bucketsFinal = bucketsFinal
      self.update = update
      self.jitter = jitter
    }

    /// The step of one rank alone.
    public var seconds: Double { before + backward + update }
  }

  /// What it costs to exchange.
  public struct Network: Sendable {
    /// Seconds until the first byte of a message arrives.
    public var latency: Double
    /// Seconds for each byte that a rank sends while it receives as many, additions included.
    public var secondsPerByte: Double
    /// The same while the rank computes.
    public var secondsPerByteBeside: Double
    /// Seconds by which each such byte delays what the rank computes.
    public var delayPerByte: Double

    /// A network from its costs; without the last two, computing and exchanging do not meet.
    public init(
      latency: Double, secondsPerByte: Double, secondsPerByteBeside: Double? = nil,
      delayPerByte: Double = 0
    ) {
      self.latency = latency
      self.secondsPerByte = secondsPerByte
      self.secondsPerByteBeside = secondsPerByteBeside ?? secondsPerByte
      self.delayPerByte = delayPerByte
    }
  }

  /// A step on some number of ranks.
  public struct Prediction: Sendable, Equatable {
    /// The ranks.
    public let ranks: Int
    /// Seconds of the whole step on the slowest rank.
    public let seconds: Double
    /// Seconds of it that a rank waits for the exchange.
    public let exposed: Double
    /// Seconds of it that the slowest rank is behind the mean.
    public let straggle: Double
    /// The step of one rank alone over this step, which takes as many samples a rank.
    public let efficiency: Double
    /// Bytes that rank 0 sends.
    public let sentByteCount: Int
  }

  private let computation: Computation
  private let network: Network
  private let buckets: GradientBuckets
  private let samples: Int
  private let overlaps: Bool

  /// A model of steps with `samples` samples a rank.
  ///
  /// - Precondition: the computation knows when each of `buckets` is final.
  public init(
    computation: Computation, network: Network, buckets: GradientBuckets, samples: Int,
    overlaps: Bool
  ) {
    precondition(
      computation.bucketsFinal.count == buckets.ranges.count,
      "times of \(computation.bucketsFinal.count) buckets for \(buckets.ranges.count)")
    self.computation = computation
    self.network = network
    self.buckets = buckets
    self.samples = samples
    self.overlaps = overlaps
  }

  /// The step on `ranks` ranks.
  public func prediction(ranks: Int) -> Prediction {
    let tree = ReductionTree(count: ranks * samples)
    let shares = (0..<ranks).map { $0 * samples..<($0 + 1) * samples }
    var (delay, linkFree, sentByteCount) = (0.0, 0.0, 0)
    var summed: [Double] = []
    var rounds = 0
    for (bucket, range) in buckets.ranges.enumerated() where ranks > 1 {
      let schedule = ReductionSchedule(
        tree: tree, shares: shares, rank: 0, elementCount: range.count)
      let bytes = Double(4 * schedule.sentCount)
      rounds = schedule.reduceRounds.count + schedule.gatherRounds.count
      let final = overlaps ? computation.bucketsFinal[bucket] : computation.backward
      let begin = max(final + delay, linkFree)
      let beside = bytesBeside(
        bytes, seconds: overlaps ? computation.backward + delay - begin : 0)
      delay += beside * network.delayPerByte
      linkFree =
        begin + beside * network.secondsPerByteBeside + (bytes - beside) * network.secondsPerByte
      summed.append(linkFree + Double(rounds) * network.latency)
      sentByteCount += Int(bytes)
    }
    let computed = computation.backward + delay
    // The losses are gathered in half as many rounds as sums take.
    var end = computed + Double(rounds) / 2 * network.latency
    if !overlaps { end = max(end, summed.last ?? 0) }
    for (time, range) in zip(summed, buckets.ranges) {
      let share = Double(range.count) / Double(max(1, buckets.elementCount))
      end = max(end, time) + computation.update * share
    }
    if ranks == 1 { end += computation.update }
    let straggle = computation.jitter * (2 * log(Double(ranks))).squareRoot() * computation.seconds
    let seconds = computation.before + end + straggle
    return Prediction(
      ranks: ranks, seconds: seconds,
      exposed: ranks == 1 ? 0 : max(0, end - computation.backward - computation.update),
      straggle: straggle,
      efficiency: computation.seconds / seconds, sentByteCount: sentByteCount)
  }

  /// How many of `bytes` go while a rank computes for `seconds` more, and for what they delay it.
  private func bytesBeside(_ bytes: Double, seconds: Double) -> Double {
    guard seconds > 0 else { return 0 }
    let gain = network.secondsPerByteBeside - network.delayPerByte
    return gain > 0 ? min(bytes, seconds / gain) : bytes
  }
}
