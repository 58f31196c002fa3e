// When ranks that make no progress are a stall, and which of them are at fault.

/// What is seen of a rank at one moment.
package struct RankSighting: Equatable, Sendable {
  package var rank: Int
  /// The number of its process.
  package var process: Int
  /// Changes with every piece of its work.
  package var beats: Int
  package var phase: Progress.Phase
  package var step: Int
  /// Whether it waits for other ranks, so that their lack of progress is its own.
  package var isWaiting: Bool

  package init(
    rank: Int, process: Int, beats: Int, phase: Progress.Phase, step: Int, isWaiting: Bool
  ) {
    (self.rank, self.process, self.beats) = (rank, process, beats)
    (self.phase, self.step, self.isWaiting) = (phase, step, isWaiting)
  }
}

/// Ranks without progress.
package struct Stall: Equatable, Sendable {
  /// The seconds since the last progress.
  package var seconds: Double
  /// The seconds after which it ends the job; infinite where it never does.
  package var limit: Double
  /// The ranks of this host that have work of their own and do not get on; empty where all wait for others.
  package var culprits: [RankSighting]
  /// The ranks of this host that wait.
  package var waiting: [RankSighting]
  /// Whether they may wait for ranks of other hosts.
  package var hasOtherHosts = false

  package init(
    seconds: Double, limit: Double, culprits: [RankSighting], waiting: [RankSighting],
    hasOtherHosts: Bool = false
  ) {
    (self.seconds, self.limit) = (seconds, limit)
    (self.culprits, self.waiting) = (culprits, waiting)
    self.hasOtherHosts = hasOtherHosts
  }
}

extension Stall {
  /// The same with those who wait, but cannot go on for another reason, among those at fault.
  package func blaming(_ isUnable: (RankSighting) -> Bool) -> Stall {
    var stall = self
    stall.culprits += waiting.filter(isUnable)
    stall.waiting = waiting.filter { !isUnable($0) }
    return stall
  }
}

/// Looks at the ranks of a host again and again, and knows how long each has not moved.
///
/// A rank at work that does not move for too long is a stall, whatever the others do. Where all wait, it
/// is one as soon as none has moved for too long. But beside other hosts, of whose progress nothing is
/// seen, ranks that wait in a phase in which a single rank may be at work for long, as in decoding images,
/// wait ``patience`` times as long. Where a command shares out what takes any time, they wait for ever,
/// and say so.
package struct StallDetector: Sendable {
  /// What a look says.
  package enum Verdict: Equatable, Sendable {
    case fine
    /// Half of the limit is over; said once in a stall.
    case warning(Stall)
    /// The limit is over.
    case end(Stall)
  }

  /// How much longer waiting ranks wait in long phases when there are other hosts.
  package static let patience = 12.0

  /// The limit in seconds; 0 is none.
  package var limit: Double
  /// That of the time until all ranks have joined.
  private let joiningLimit: Double
  /// Whether ranks of other hosts belong to the job.
  package var hasOtherHosts = false

  private struct Rest {
    var beats: Int
    var seconds: Double
  }
  private var rests: [Int: Rest] = [:]
  private var hasWarned = false

  package init(limit: Double, joiningLimit: Double) {
    (self.limit, self.joiningLimit) = (limit, joiningLimit)
  }

  /// The verdict on what is seen now, `seconds` after the last look.
  package mutating func look(_ sightings: [RankSighting], after seconds: Double) -> Verdict {
    for sighting in sightings {
      let before = rests[sighting.rank]
      let moved = before.map { $0.beats != sighting.beats } ?? true
      rests[sighting.rank] = Rest(
        beats: sighting.beats, seconds: moved ? 0 : (before?.seconds ?? 0) + seconds)
    }
    func rest(_ sighting: RankSighting) -> Double { rests[sighting.rank]?.seconds ?? 0 }
    func limit(_ sighting: RankSighting) -> Double {
      sighting.phase == .joining ? joiningLimit : self.limit
    }

    let working = sightings.filter { !$0.isWaiting }
    let waiting = sightings.filter(\.isWaiting)
    if let slowest = working.filter({ limit($0) > 0 })
      .max(by: { rest($0) / limit($0) < rest($1) / limit($1) }),
      rest(slowest) >= limit(slowest) / 2
    {
      let longest = limit(slowest)
      return verdict(
        Stall(
          seconds: rest(slowest), limit: longest,
          culprits: working.filter { rest($0) >= longest / 2 }, waiting: waiting,
          hasOtherHosts: hasOtherHosts))
    }
    // What a command without steps shares out may take ranks of other hosts any time.
    let mayTakeLong = hasOtherHosts && waiting.contains { $0.phase == .work }
    if working.isEmpty, let last = waiting.min(by: { rest($0) < rest($1) }), limit(last) > 0 {
      let isLong = hasOtherHosts && waiting.contains { $0.phase != .step && $0.phase != .joining }
      let longest = limit(last) * (isLong ? Self.patience : 1)
      if rest(last) >= longest / 2 {
        return verdict(
          Stall(
            seconds: rest(last), limit: mayTakeLong ? .infinity : longest, culprits: [],
            waiting: waiting, hasOtherHosts: hasOtherHosts))
      }
    }
    hasWarned = false
    return .fine
  }

  private mutating func verdict(_ stall: Stall) -> Verdict {
    if stall.seconds >= stall.limit { return .end(stall) }
    defer { hasWarned = true }
    return hasWarned ? .fine : .warning(stall)
  }
}
