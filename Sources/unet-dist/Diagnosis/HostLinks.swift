// What lies between the hosts of a job, measured: how far their clocks are apart, and how fast each pair sums.

package import Communication
import Foundation
import Tensors

/// The hosts of a job, of which the first rank of each measures for all its ranks.
package struct HostLinks {
  /// How a host's clock stands beside that of the first rank's host.
  package struct Clock: Equatable, Sendable {
    /// Seconds that it is ahead.
    package let offset: Double
    /// Seconds by which that may be wrong: half of the way there and back.
    package let uncertainty: Double

    package init(offset: Double, uncertainty: Double) {
      (self.offset, self.uncertainty) = (offset, uncertainty)
    }
  }

  /// Two hosts by their places, the first one first.
  package struct Pair: Hashable, Sendable {
    package let first: Int
    package let second: Int

    package init(_ one: Int, _ other: Int) { (first, second) = (min(one, other), max(one, other)) }
  }

  /// Ways there and back, of which the shortest tells the most.
  private static let tripCount = 20
  /// Floats of a pair's sum: 16 MB.
  private static let floatCount = 4 << 20

  /// The first rank of each host.
  package let leaders: [Int]
  private let communicator: any Communicator

  /// The hosts of a job, or those that `leaders` names for each rank.
  package init(_ communicator: any Communicator, leaders: [Int]? = nil) {
    self.communicator = communicator
    self.leaders = Set(leaders ?? communicator.hostLeaders).sorted()
  }

  /// This host's place, where this rank measures for it.
  private var place: Int? { leaders.firstIndex(of: communicator.rank) }

  // MARK: - Clocks

  /// The clocks of the hosts behind the first one, on rank 0; collective.
  ///
  /// The other's time is taken to be read half-way between a message and its answer, as by NTP's clock filter
  /// (RFC 5905, section 10), so that it is wrong by half of the round trip at most.
  package func clocks() throws -> [Clock] {
    var clocks: [Clock] = []
    for leader in leaders.dropFirst() {
      if communicator.rank == 0 {
        clocks.append(try clock(of: leader))
      } else if communicator.rank == leader {
        for _ in 0..<Self.tripCount {
          var time = 0.0
          try receive(&time, from: 0)
          time = Self.now
          try send(&time, to: 0)
        }
      }
      try communicator.barrier()
    }
    return clocks
  }

  private func clock(of leader: Int) throws(MPIError) -> Clock {
    var best = Clock(offset: 0, uncertainty: .infinity)
    for _ in 0..<Self.tripCount {
      var began = Self.now
      var time = 0.0
      try send(&began, to: leader)
      try receive(&time, from: leader)
      let ended = Self.now
      let half = (ended - began) / 2
      if half < best.uncertainty { best = Clock(offset: time - (began + half), uncertainty: half) }
    }
    return best
  }

  private static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  private func send(_ value: inout Double, to rank: Int) throws(MPIError) {
    let requests = communicator.requests(tag: MessageTag.measurement)
    try withUnsafeMutableBytes(of: &value) { (bytes) throws(MPIError) in
      try requests.send(UnsafeRawBufferPointer(bytes), to: rank)
      try requests.wait()
    }
  }

  private func receive(_ value: inout Double, from rank: Int) throws(MPIError) {
    let requests = communicator.requests(tag: MessageTag.measurement)
    try withUnsafeMutableBytes(of: &value) { (bytes) throws(MPIError) in
      try requests.receive(bytes, from: rank)
      try requests.wait()
    }
  }

  // MARK: - Sums

  /// All pairs of `count` hosts in rounds, in each of which a host is in one pair at most.
  ///
  /// By the circle method of tournaments: one stands still, the others go round.
  package static func rounds(of count: Int) -> [[Pair]] {
    guard count > 1 else { return [] }
    let even = count + count % 2
    return (0..<even - 1).map { round in
      (0..<even / 2).compactMap { place in
        let one = place == 0 ? even - 1 : (round + place) % (even - 1)
        let other = (round + even - 1 - place) % (even - 1)
        return one < count && other < count ? Pair(one, other) : nil
      }
    }
  }

  /// Bytes of gradients a second that each pair of hosts sums, on every rank; collective.
  ///
  /// As between two ranks of the tree: each sends the half that the other adds, and gets its sums. The pairs of a round
  /// exchange at the same time, as all hosts do in training.
  package func rates(floatCount: Int = Self.floatCount) throws -> [Pair: Double] {
    let (own, others) = try communicator.together {
      (
        try FloatBuffer(count: floatCount, for: "a sum"),
        try FloatBuffer(count: floatCount, for: "a sum")
      )
    }
    defer { withExtendedLifetime((own, others)) {} }
    let count = leaders.count
    var measured = [Double](repeating: 0, count: count * count)
    for round in Self.rounds(of: count) {
      try communicator.barrier()
      guard let place, let pair = round.first(where: { $0.first == place || $0.second == place })
      else { continue }
      let partner = leaders[pair.first == place ? pair.second : pair.first]
      let seconds = try RateChecks.bestSeconds {
        try sum(own.floats, others.floats, isFirst: pair.first == place, partner: partner)
      }
      guard pair.first == place else { continue }
      measured[pair.first * count + pair.second] = Double(4 * floatCount) / seconds
    }
    let all = try communicator.allReduceSum(measured)
    var rates: [Pair: Double] = [:]
    for pair in Self.rounds(of: count).joined() {
      rates[pair] = all[pair.first * count + pair.second]
    }
    return rates
  }

  /// Makes `own` the sum over both ranks of a pair.
  private func sum(
    _ own: UnsafeMutableBufferPointer<Float>, _ others: UnsafeMutableBufferPointer<Float>,
    isFirst: Bool, partner: Int
  ) throws(MPIError) {
    let halves = [0..<own.count / 2, own.count / 2..<own.count]
    let (mine, theirs) = isFirst ? (halves[0], halves[1]) : (halves[1], halves[0])
    try exchange(own, theirs, others, mine, partner)
    if let sums = own.baseAddress, let added = others.baseAddress {
      GradientSum.add(
        sums + mine.lowerBound, added + mine.lowerBound, into: sums + mine.lowerBound,
        count: mine.count,
        compression: .none)
    }
    try exchange(own, mine, own, theirs, partner)
  }

  private func exchange(
    _ sent: UnsafeMutableBufferPointer<Float>, _ sentRange: Range<Int>,
    _ received: UnsafeMutableBufferPointer<Float>, _ receivedRange: Range<Int>, _ partner: Int
  ) throws(MPIError) {
    let requests = communicator.requests(tag: MessageTag.measurement)
    try requests.receive(
      UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: received[receivedRange])),
      from: partner)
    try requests.send(
      UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: sent[sentRange])), to: partner)
    try requests.wait()
  }
}
