// A model of a training step on any number of ranks, from what a few ranks measure.

package import Communication
import Foundation

/// The time of a step by the schedule that the ranks carry out, on a network of given cost.
///
/// A bucket goes on its way when its gradients are final and a slot of the exchange is free. The
/// messages of a round go when those of the round before have arrived, and a rank's link carries
/// them one after the other:
///
///     posted(bucket, round)  = arrived(bucket, round - 1), or final(bucket)
///     carried(bucket, round) = max(posted, carried of the message before) + bytes * seconds per byte
///     arrived(bucket, round) = carried + latency
///
/// with rounds and bytes those of the ``ReductionSchedule`` of rank 0. So the first rounds of the
/// buckets that are final together go before the second round of any. A byte takes
/// `secondsPerByte`, or `secondsPerByteBeside` while the backward pass goes on, and then delays that
/// pass and what becomes final in it by `delayPerByte`: where no core is spare, computing and
/// exchanging slow each other down. Without overlap all buckets are final when the backward pass has
/// ended. Buckets are updated in turn, none before the losses of all ranks have been gathered:
///
///     updated(i) = max(summed(i), updated(i - 1)) + update * elements(i) / elements
///
/// A step ends with the slowest of p ranks. Where their times are normally distributed with a
/// relative deviation sigma, it is expected sigma * q((p - 3/8) / (p + 1/4)) beyond the mean, with q
/// the quantile of the normal distribution (Blom 1958, "Statistical Estimates and Transformed
/// Beta-Variables").
package struct ScalingModel: Sendable {
  /// What a rank computes in a step, in seconds.
  package struct Computation: Sendable {
    /// Everything before the backward pass of the last sample.
    package var before: Double
    /// That backward pass.
    package var backward: Double
    /// When the gradients of each bucket are final, from the beginning of that backward pass.
    package var bucketsFinal: [Double]
    /// The update of all parameters.
    package var update: Double
    /// The relative standard deviation of all of it.
    package var jitter: Double

    /// A step from its parts.
    package init(
      before: Double, backward: Double, bucketsFinal: [Double], update: Double, jitter: Double
    ) {
      self.before = before
      self.backward = backward
      self.bucketsFinal = bucketsFinal
      self.update = update
      self.jitter = jitter
    }

    /// The step of one rank alone.
    package var seconds: Double { before + backward + update }
  }

  /// What it costs to exchange.
  package struct Network: Sendable {
    /// Seconds until the first byte of a message arrives.
    package var latency: Double
    /// Seconds for each byte that a rank sends while it receives as many, additions included.
    package var secondsPerByte: Double
    /// The same while the rank computes.
    package var secondsPerByteBeside: Double
    /// Seconds by which each such byte delays what the rank computes.
    package var delayPerByte: Double

    /// A network from its costs; without the last two, computing and exchanging do not meet.
    package init(
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
  package struct Prediction: Sendable, Equatable {
    /// The ranks.
    package let ranks: Int
    /// Seconds of the whole step on the slowest rank.
    package let seconds: Double
    /// Seconds of it that a rank waits for the exchange.
    package let exposed: Double
    /// Seconds of it that the slowest rank is behind the mean.
    package let straggle: Double
    /// The step of one rank alone over this step, which takes as many samples a rank.
    package let efficiency: Double
    /// Bytes that rank 0 sends.
    package let sentByteCount: Int
  }

  private let computation: Computation
  private let network: Network
  private let buckets: GradientBuckets
  private let samples: Int
  private let overlaps: Bool

  /// A model of steps with `samples` samples a rank.
  ///
  /// - Precondition: the computation knows when each of `buckets` is final.
  package init(
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
  package func prediction(ranks: Int) -> Prediction {
    var link = Link(network: network, computing: overlaps ? computation.backward : 0)
    var (summed, sentByteCount, rounds): ([Double], Int, Int) = ([], 0, 0)
    if ranks > 1 {
      let transfers = transfers(ranks: ranks)
      sentByteCount = transfers.reduce(0) { $0 + $1.sentByteCount }
      rounds = transfers.map(\.rounds.count).max() ?? 0
      summed = exchange(transfers, by: &link)
    }
    let computed = computation.backward + link.delay
    // The losses are gathered in half as many rounds as sums take.
    var end = computed + Double(rounds) / 2 * network.latency
    if !overlaps { end = max(end, summed.max() ?? 0) }
    for (time, range) in zip(summed, buckets.ranges) {
      let share = Double(range.count) / Double(max(1, buckets.elementCount))
      end = max(end, time) + computation.update * share
    }
    if ranks == 1 { end += computation.update }
    let straggle = computation.jitter * Self.largestOf(ranks) * computation.seconds
    let seconds = computation.before + end + straggle
    return Prediction(
      ranks: ranks, seconds: seconds,
      exposed: ranks == 1 ? 0 : max(0, end - computation.backward - computation.update),
      straggle: straggle,
      efficiency: computation.seconds / seconds, sentByteCount: sentByteCount)
  }

  // MARK: The exchange

  /// A bucket's way through the ranks, as rank 0 has it.
  private struct Transfer {
    /// Bytes of each round, in the direction in which they are more.
    let rounds: [Double]
    let sentByteCount: Int
    /// How many buckets may be in flight at once.
    let slotCount: Int
  }

  private func transfers(ranks: Int) -> [Transfer] {
    let tree = ReductionTree(count: ranks * samples)
    let shards = (0..<ranks).map { $0 * samples..<($0 + 1) * samples }
    // All buckets but the ragged one are alike.
    var known: [Int: Transfer] = [:]
    return buckets.ranges.map { range in
      if let transfer = known[range.count] { return transfer }
      let schedule = ReductionSchedule(
        tree: tree, shards: shards, rank: 0, elementCount: range.count)
      func bytes(_ messages: [ReductionSchedule.Message]) -> Double {
        Double(4 * messages.reduce(0) { $0 + $1.block.range.count })
      }
      let transfer = Transfer(
        rounds: (schedule.reduceRounds + schedule.gatherRounds).map {
          max(bytes($0.sends), bytes($0.receives))
        },
        sentByteCount: 4 * schedule.sentCount,
        slotCount: BucketExchange.slotsInUse(workspaceLimit: schedule.workspaceLimit))
      known[range.count] = transfer
      return transfer
    }
  }

  /// When each bucket is summed, from the beginning of the backward pass.
  private func exchange(_ transfers: [Transfer], by link: inout Link) -> [Double] {
    let slotCount = transfers.map(\.slotCount).min() ?? 1
    var summed = [Double](repeating: .infinity, count: transfers.count)
    var underWay: [(bucket: Int, round: Int, posted: Double)] = []
    var started = 0
    /// When the next bucket has a slot and is final.
    func nextStart(delay: Double) -> Double {
      guard started < transfers.count else { return .infinity }
      let slotFree = started < slotCount ? 0 : summed[started - slotCount]
      let final =
        overlaps ? computation.bucketsFinal[started] + delay : computation.backward
      return max(slotFree, final)
    }
    while true {
      let start = nextStart(delay: link.delay)
      let first = underWay.indices.min { underWay[$0].posted < underWay[$1].posted }
      let posted = first.map { underWay[$0].posted } ?? .infinity
      guard min(start, posted) < .infinity else { return summed }
      if start <= posted {
        underWay.append((started, 0, start))
        started += 1
      } else if let first {
        let (bucket, round, _) = underWay[first]
        let arrived = link.carry(transfers[bucket].rounds[round], posted: posted)
        if round + 1 < transfers[bucket].rounds.count {
          underWay[first] = (bucket, round + 1, arrived)
        } else {
          underWay.remove(at: first)
          summed[bucket] = arrived
        }
      }
    }
  }

  /// What a rank sends, one message after the other.
  private struct Link {
    let network: Network
    /// Seconds for which the rank would compute if nothing were sent.
    let computing: Double
    /// Seconds by which what was sent has delayed that.
    var delay = 0.0
    private var free = 0.0

    init(network: Network, computing: Double) {
      self.network = network
      self.computing = computing
    }

    /// Carries `bytes` that are there at `posted`; returns when the last has arrived.
    mutating func carry(_ bytes: Double, posted: Double) -> Double {
      let begin = max(posted, free)
      let beside = bytesBeside(bytes, seconds: computing + delay - begin)
      delay += beside * network.delayPerByte
      free =
        begin + beside * network.secondsPerByteBeside + (bytes - beside) * network.secondsPerByte
      return free + network.latency
    }

    /// How many of `bytes` go while the rank computes for `seconds` more, and for what they delay it.
    private func bytesBeside(_ bytes: Double, seconds: Double) -> Double {
      guard seconds > 0 else { return 0 }
      let gain = network.secondsPerByteBeside - network.delayPerByte
      return gain > 0 ? min(bytes, seconds / gain) : bytes
    }
  }

  // MARK: The slowest rank

  /// The expected largest of `count` draws from the standard normal distribution.
  private static func largestOf(_ count: Int) -> Double {
    let probability = (Double(count) - 0.375) / (Double(count) + 0.25)
    // The quantile, by halving: the distribution function is erfc(-x / sqrt 2) / 2.
    var (low, high) = (0.0, 10.0)
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if erfc(-middle / 2.0.squareRoot()) / 2 < probability { low = middle } else { high = middle }
    }
    return low
  }
}
