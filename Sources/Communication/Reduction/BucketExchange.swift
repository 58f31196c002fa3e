// The sums of a step's buckets over the ranks, several under way at once.

import Liveness

/// How gradients are summed over the samples and ranks.
package enum Reduction: String, Codable, CaseIterable, Sendable {
  /// In the order of a ``ReductionTree``: the same bits for every number of ranks.
  case tree
  /// On each rank in the order of its samples, then by the MPI library's all-reduce.
  case fast
}

/// The phase of an exchange: what becomes of the buckets of a step.
package enum ExchangePhase: Sendable {
  /// Every rank gets the sums.
  case all
  /// Every rank gets the sums of its own chunks.
  case reduce
  /// Every rank gets all ranks' chunks.
  case gather
}

/// When a bucket began and ended on its way through the ranks.
package struct BucketTimes: Sendable {
  /// When the first message was sent.
  package var start: ContinuousClock.Instant
  /// When the last one had arrived.
  package var end: ContinuousClock.Instant
}

/// The exchange of one step's buckets; all calls come from one thread.
///
/// Buckets go in the order of ``GradientBuckets``, up to `slotCount` of them side by side. Bucket i
/// uses slot i mod the number of slots in use, with the slot's tag, on every rank, so no message can
/// be taken for that of another bucket.
package final class BucketExchange {
  /// So many that a link has something to carry while others under way are still being agreed upon with
  /// their receivers, as libraries do before they send a message of such a size.
  static let slotCount = MessageTag.bucketCount
  /// The floats of workspace that the slots may take together, if they are more than one: 24 MB.
  private static let workspaceBudget = 6 << 20

  private let communicator: any Communicator
  private let buckets: GradientBuckets
  private let reduction: Reduction
  private let alignment: Int
  private let slots: [ReductionExecution]
  private var schedules: [ScheduleKey: ReductionSchedule] = [:]
  private let clock = ContinuousClock()

  private var phase = ExchangePhase.all
  private var own: [UnsafeMutableBufferPointer<Float>] = []
  private var shards: [Range<Int>] = []
  private var slotsInUse = 1
  private var started = 0
  private var finished: [Bool]
  private var libraryByteCount = 0
  private var sentBefore = 0

  /// The leading buckets that are through.
  private(set) var finishedCount = 0
  /// When each bucket of the step was exchanged, so far.
  private(set) var times: [BucketTimes] = []

  private let hosts: ReductionSchedule.Hosts?
  private let gathering: ReductionExecution
  /// Whether a gather is in flight beside the buckets.
  private(set) var isGathering = false

  /// An exchange in chunks that begin at multiples of `alignment` elements of a bucket.
  package init(
    communicator: any Communicator, buckets: GradientBuckets, reduction: Reduction,
    compression: Compression, alignment: Int
  ) {
    self.communicator = communicator
    self.buckets = buckets
    self.reduction = reduction
    self.alignment = alignment
    slots = (0..<Self.slotCount).map {
      ReductionExecution(
        communicator: communicator, tag: MessageTag.bucket(slot: $0), compression: compression)
    }
    gathering = ReductionExecution(communicator: communicator, tag: MessageTag.gather)
    // Compressed values are packed where they lie, which a rank that passes on those of others cannot.
    hosts = compression == .none ? ReductionSchedule.Hosts(leaders: communicator.hostLeaders) : nil
    finished = [Bool](repeating: false, count: buckets.ranges.count)
  }

  /// Bytes that this rank has sent since it was made; with ``Reduction/fast`` those of a ring, since
  /// the library does not tell.
  var sentByteCount: Int {
    slots.reduce(gathering.sentByteCount) { $0 + $1.sentByteCount } + libraryByteCount
  }

  /// Begins a step or its second half; see ``GradientReducer/begin(_:shards:)``.
  package func begin(
    _ own: [UnsafeMutableBufferPointer<Float>], shards: [Range<Int>], phase: ExchangePhase
  ) {
    self.own = own
    self.shards = shards
    self.phase = phase
    started = 0
    finishedCount = 0
    for index in finished.indices { finished[index] = false }
    times.removeAll(keepingCapacity: true)
    let limit =
      buckets.ranges.map(\.count).max().map { schedule(elementCount: $0).workspaceLimit } ?? 0
    slotsInUse = Self.slotsInUse(workspaceLimit: limit)
  }

  /// Buckets side by side when each needs up to `workspaceLimit` floats of workspace.
  package static func slotsInUse(workspaceLimit: Int) -> Int {
    max(1, min(slotCount, workspaceBudget / max(1, workspaceLimit)))
  }

  /// Begins to gather `values`, in which each rank has written its own `count` floats at
  /// ``gatherOffset(of:count:)``; it is in flight until `isGathering` is false.
  func beginGather(_ values: UnsafeMutableBufferPointer<Float>, count: Int) throws(MPIError) {
    let ranks = communicator.size
    guard let base = values.baseAddress, values.count == ranks * count else {
      preconditionFailure("\(values.count) floats for \(ranks) ranks with \(count) each")
    }
    let schedule = ReductionSchedule(
      tree: ReductionTree(count: ranks), shards: (0..<ranks).map { $0..<$0 + 1 },
      rank: communicator.rank, elementCount: values.count, alignment: count)
    try gathering.begin(schedule.gatherRounds, of: schedule, own: [base])
    isGathering = true
  }

  /// Where the floats of `rank` lie in what is gathered.
  package func gatherOffset(of rank: Int, count: Int) -> Int {
    let ranks = communicator.size
    return ReductionSchedule.owned(
      rank: rank, ranks: ranks, elementCount: ranks * count, alignment: count
    ).lowerBound
  }

  /// Starts what may start and goes as far as is possible, of the first `enqueuedCount` buckets.
  ///
  /// With ``Reduction/fast`` it waits until those are summed.
  func advance(_ enqueuedCount: Int) throws(MPIError) {
    if isGathering { isGathering = try !gathering.advance() }
    if reduction == .fast { return try sumByLibrary(enqueuedCount) }
    while true {
      // A slot is free when the bucket before in it has finished.
      while started < enqueuedCount && (started < slotsInUse || finished[started - slotsInUse]) {
        try start(started)
        started += 1
      }
      var moved = false
      for bucket in finishedCount..<started where !finished[bucket] {
        guard try slots[bucket % slotsInUse].advance() else { continue }
        finished[bucket] = true
        times[bucket].end = clock.now
        moved = true
      }
      while finishedCount < started && finished[finishedCount] { finishedCount += 1 }
      if moved { Progress.beat() }
      if !moved || started == enqueuedCount { return }
    }
  }

  private func start(_ bucket: Int) throws(MPIError) {
    let range = buckets.ranges[bucket]
    let now = clock.now
    times.append(BucketTimes(start: now, end: now))
    let schedule = schedule(elementCount: range.count)
    let count = phase == .gather ? 1 : max(1, schedule.partialSumCount)
    let parts = own.prefix(count).map { part in
      guard let base = part.baseAddress else { preconditionFailure("an empty gradient buffer") }
      return base + range.lowerBound
    }
    let rounds =
      switch phase {
      case .all: schedule.reduceRounds + schedule.gatherRounds
      case .reduce: schedule.reduceRounds
      case .gather: schedule.gatherRounds
      }
    try slots[bucket % slotsInUse].begin(
      rounds, of: schedule, own: parts, isExact: phase == .gather)
  }

  private func sumByLibrary(_ enqueuedCount: Int) throws(MPIError) {
    while finishedCount < enqueuedCount {
      let bucket = UnsafeMutableBufferPointer(rebasing: own[0][buckets.ranges[finishedCount]])
      let start = clock.now
      try communicator.allReduceSum(bucket)
      times.append(BucketTimes(start: start, end: clock.now))
      let ranks = communicator.size
      libraryByteCount += 2 * bucket.count * MemoryLayout<Float>.size * (ranks - 1) / ranks
      finishedCount += 1
      Progress.beat()
    }
  }

  // MARK: Schedules

  /// What decides a schedule on a rank: the shards follow from the number of batch indices.
  private struct ScheduleKey: Hashable {
    let elementCount: Int
    let batchCount: Int
  }

  private func schedule(elementCount: Int) -> ReductionSchedule {
    let key = ScheduleKey(
      elementCount: elementCount, batchCount: shards[shards.count - 1].upperBound)
    if let schedule = schedules[key] { return schedule }
    let schedule = ReductionSchedule(
      tree: ReductionTree(count: key.batchCount), shards: shards, rank: communicator.rank,
      elementCount: elementCount, alignment: alignment, hosts: hosts)
    schedules[key] = schedule
    return schedule
  }
}
