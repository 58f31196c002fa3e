// The sums of a step's buckets over the ranks, several under way at once.

/// How gradients are summed over the samples and ranks.
public enum Reduction: String, Codable, CaseIterable, Sendable {
  /// In the order of a ``ReductionTree``: the same bits for every number of ranks.
  case tree
  /// On each rank in the order of its samples, then by the MPI library's all-reduce.
  case fast
}

/// The exchange of one step's gradients, bucket by bucket; all calls come from one thread.
///
/// Buckets go in the order of ``GradientBuckets``, up to `slotCount` of them side by side. Bucket i
/// uses slot i mod `slotCount`, with the slot's tag, on every rank, so no message can be taken for
/// that of another bucket.
final class BucketExchange {
  /// Enough that a rank which waits for one message has others to go on with, and 32 MB of scratch
  /// memory with buckets of 4 MB.
  static let slotCount = 8

  /// When a bucket began and ended, for those who look at a step afterwards.
  struct Times: Sendable {
    var start: ContinuousClock.Instant
    var end: ContinuousClock.Instant
  }

  private let communicator: any Communicator
  private let buckets: GradientBuckets
  private let reduction: Reduction
  private let slots: [ReductionExecution]
  private var schedules: [ScheduleKey: ReductionSchedule] = [:]
  private let clock = ContinuousClock()

  private var own: [UnsafeMutableBufferPointer<Float>] = []
  private var shares: [Range<Int>] = []
  private var started = 0
  private var finished: [Bool]
  private var libraryByteCount = 0
  private var sentBefore = 0

  /// The leading buckets that hold the sums.
  private(set) var finishedCount = 0
  /// When each bucket of the step was exchanged.
  private(set) var times: [Times] = []

  init(communicator: any Communicator, buckets: GradientBuckets, reduction: Reduction) {
    self.communicator = communicator
    self.buckets = buckets
    self.reduction = reduction
    slots = (0..<Self.slotCount).map {
      ReductionExecution(communicator: communicator, tag: $0 + 1)
    }
    finished = [Bool](repeating: false, count: buckets.ranges.count)
  }

  /// Bytes that this rank has sent since `begin`; with ``Reduction/fast`` those of a ring, since the
  /// library does not tell.
  var sentByteCount: Int {
    slots.reduce(-sentBefore) { $0 + $1.sentByteCount } + libraryByteCount
  }

  /// Begins a step; see ``GradientReducer/begin(_:shares:)``.
  func begin(_ own: [UnsafeMutableBufferPointer<Float>], shares: [Range<Int>]) {
    self.own = own
    self.shares = shares
    started = 0
    finishedCount = 0
    for index in finished.indices { finished[index] = false }
    times.removeAll(keepingCapacity: true)
    sentBefore = slots.reduce(0) { $0 + $1.sentByteCount }
    libraryByteCount = 0
  }

  /// Starts what may start and goes as far as is possible, of the first `handedOver` buckets.
  ///
  /// With ``Reduction/fast`` it waits until those are summed.
  func advance(_ handedOver: Int) throws(MPIError) {
    if reduction == .fast { return try sumByLibrary(handedOver) }
    repeat {
      // A slot is free when the bucket before in it has finished.
      while started < handedOver
        && (started < slots.count || finished[started - slots.count])
      {
        try start(started)
        started += 1
      }
      let before = finishedCount
      for bucket in finishedCount..<started where !finished[bucket] {
        guard try slots[bucket % slots.count].advance() else { continue }
        finished[bucket] = true
        times[bucket].end = clock.now
      }
      while finishedCount < started && finished[finishedCount] { finishedCount += 1 }
      if finishedCount == before { return }
    } while started < handedOver
  }

  private func start(_ bucket: Int) throws(MPIError) {
    let range = buckets.ranges[bucket]
    let now = clock.now
    times.append(Times(start: now, end: now))
    let schedule = schedule(elementCount: range.count)
    let parts = own.prefix(max(1, schedule.partialSumCount)).map { part in
      guard let base = part.baseAddress else { preconditionFailure("an empty gradient buffer") }
      return base + range.lowerBound
    }
    try slots[bucket % slots.count].begin(
      schedule.reduceRounds + schedule.gatherRounds, of: schedule, own: parts)
  }

  private func sumByLibrary(_ handedOver: Int) throws(MPIError) {
    while finishedCount < handedOver {
      let bucket = UnsafeMutableBufferPointer(rebasing: own[0][buckets.ranges[finishedCount]])
      let start = clock.now
      try communicator.allReduceSum(bucket)
      times.append(Times(start: start, end: clock.now))
      let ranks = communicator.size
      libraryByteCount += 2 * bucket.count * MemoryLayout<Float>.size * (ranks - 1) / ranks
      finishedCount += 1
    }
  }

  // MARK: Schedules

  /// What decides a schedule on a rank: the shares follow from the number of places.
  private struct ScheduleKey: Hashable {
    let elementCount: Int
    let placeCount: Int
  }

  private func schedule(elementCount: Int) -> ReductionSchedule {
    let key = ScheduleKey(
      elementCount: elementCount, placeCount: shares[shares.count - 1].upperBound)
    if let schedule = schedules[key] { return schedule }
    let schedule = ReductionSchedule(
      tree: ReductionTree(count: key.placeCount), shares: shares, rank: communicator.rank,
      elementCount: elementCount)
    schedules[key] = schedule
    return schedule
  }
}
