// The sum of the gradients over the ranks, while the backward pass is still at work.

import Liveness
import Tensors

/// Sums the gradients of all ranks, bucket by bucket, as the backward pass finishes them.
///
/// A step calls `begin`, then `reduce(from:)` whenever more gradients are final, then `finish`; a
/// bucket holds its sums when ``wait(forBucket:)`` or `finish` has returned. Until then the caller
/// must not touch gradients which it has declared final.
///
/// With ``Reduction/tree`` the sums are added in the order of a ``ReductionTree`` over the batch indices of
/// the global batch. Every rank must hand over the same offsets' buckets in the same order, which
/// the fixed order of the backward pass ensures. With one rank nothing happens at all.
///
/// A *sharded* reducer gives each rank only the sums of the elements that it owns (see
/// ``owned(by:)``); after them other values, such as updated parameters, can be gathered.
package final class GradientReducer {
  /// In a sharded reducer chunks begin at multiples of so many elements: those over which sums of
  /// squares are taken.
  package static var shardAlignment: Int { FloatBuffer.blockSize }

  /// The division of the buffer.
  package let buckets: GradientBuckets
  /// How the sums are made.
  package let reduction: Reduction
  /// How gradients are sent.
  package let compression: Compression
  /// Who makes the sums; never `auto`, and `poll` where a thread was wanted and the system refused it.
  package let overlap: Overlap
  /// Whether each rank gets the sums of its own elements only.
  package let isSharded: Bool

  /// Seconds that the caller has waited for other ranks since `begin`.
  package private(set) var seconds = 0.0

  /// The bytes that this rank has sent since `begin`, known after `finish`.
  ///
  /// With ``Reduction/fast`` they are those that a ring sends, since the library does not tell.
  package var sentByteCount: Int { exchange.map { $0.sentByteCount - sentBefore } ?? 0 }

  /// When each bucket went through the ranks, known after `finish`.
  package var times: [BucketTimes] { exchange?.times ?? [] }

  private let communicator: any Communicator
  /// Nil with one rank.
  private let exchange: BucketExchange?
  /// Nil where the caller's thread does it.
  private let thread: ExchangeThread?
  private var isInFlight = false
  private var finalOffset = 0
  private var enqueuedCount = 0
  private var sentBefore = 0
  private var failure: MPIError?
  private var shards: [Range<Int>] = []
  private let clock = ContinuousClock()

  /// A reducer for buffers of one size.
  ///
  /// With ``Compression/bf16`` the partial sums that it is given must have been rounded.
  ///
  /// - Precondition: `overlap` is not `auto`; what is sharded or compressed uses ``Reduction/tree``,
  ///   and what is sharded buckets of a multiple of ``shardAlignment`` elements.
  package init(
    communicator: any Communicator, buckets: GradientBuckets, reduction: Reduction = .tree,
    compression: Compression = .none, overlap: Overlap = .off, isSharded: Bool = false
  ) {
    precondition(overlap != .auto, "an overlap that was not resolved")
    precondition(!isSharded || reduction == .tree, "chunks are those of the tree")
    precondition(compression == .none || reduction == .tree, "what is sent is rounded in the tree")
    precondition(
      !isSharded
        || buckets.ranges.allSatisfy { $0.lowerBound.isMultiple(of: Self.shardAlignment) },
      "sharded buckets \(buckets.ranges) that cut blocks of \(Self.shardAlignment)")
    self.communicator = communicator
    self.buckets = buckets
    self.reduction = reduction
    self.compression = compression
    self.isSharded = isSharded
    exchange =
      communicator.size == 1
      ? nil
      : BucketExchange(
        communicator: communicator, buckets: buckets, reduction: reduction,
        compression: compression, alignment: isSharded ? Self.shardAlignment : 16)
    thread = overlap == .thread ? exchange.flatMap { ExchangeThread($0) } : nil
    let isRefused = overlap == .thread && exchange != nil && thread == nil
    self.overlap = isRefused ? .poll : overlap
  }

  deinit { thread?.close() }

  /// The elements of bucket `bucket` of which `rank` gets the sums, as offsets in the buffer.
  package func owned(inBucket bucket: Int, by rank: Int) -> Range<Int> {
    let range = buckets.ranges[bucket]
    guard isSharded else { return range }
    let owned = ReductionSchedule.owned(
      rank: rank, ranks: communicator.size, elementCount: range.count,
      alignment: Self.shardAlignment)
    return range.lowerBound + owned.lowerBound..<range.lowerBound + owned.upperBound
  }

  /// The elements of which `rank` gets the sums, ascending.
  package func owned(by rank: Int) -> [Range<Int>] {
    guard isSharded else { return [0..<buckets.elementCount] }
    return buckets.ranges.indices.reversed().map { owned(inBucket: $0, by: rank) }
      .filter { !$0.isEmpty }
  }

  // MARK: Gradients

  /// Begins a step in which rank r takes the batch indices `shards[r]` of the global batch.
  ///
  /// `own` are this rank's partial sums, one for each node of the tree that covers its batch indices (see
  /// ``ReductionTree/cover(_:)``) and one of any content for a rank without batch indices; with
  /// ``Reduction/fast`` it is one buffer on every rank, of zeros for a rank without batch indices. The first
  /// one becomes the sum over all ranks, the others are overwritten.
  ///
  /// - Precondition: the last step was finished, and the buffers have the buckets' size.
  package func begin(_ own: [UnsafeMutableBufferPointer<Float>], shards: [Range<Int>]) {
    self.shards = shards
    sentBefore = exchange?.sentByteCount ?? 0
    seconds = 0
    begin(own, phase: isSharded ? .reduce : .all)
  }

  /// Declares the gradients at `offset` and above final.
  ///
  /// Does not throw, so that a backward pass need not know of communication; `finish` does.
  ///
  /// - Precondition: a step has begun, and `offset` is not above the last one.
  package func reduce(from offset: Int) {
    precondition(isInFlight, "reduce(from:) before begin")
    precondition(
      0...finalOffset ~= offset, "offset \(offset) after \(finalOffset): gradients end first")
    finalOffset = offset
    enqueue(buckets.completeCount(from: offset, reduced: enqueuedCount))
  }

  /// Whether all buckets that were declared final are through, or never will be; does not wait.
  package var hasFinished: Bool {
    guard let exchange else { return true }
    if let thread { return thread.hasFinished }
    return failure != nil || exchange.finishedCount == enqueuedCount
  }

  /// Returns when the first `bucket` + 1 buckets, which were declared final, are through.
  package func wait(forBucket bucket: Int) throws(MPIError) {
    guard let exchange else { return }
    let start = beginWaiting()
    defer { endWaiting(since: start) }
    precondition(bucket < enqueuedCount, "a wait for bucket \(bucket) of \(enqueuedCount)")
    if let thread { return try thread.wait(for: bucket + 1) }
    try advance { exchange.finishedCount > bucket }
  }

  /// Declares all gradients final and returns when they are the sums over all ranks.
  package func finish() throws(MPIError) {
    reduce(from: 0)
    if enqueuedCount > 0 { try wait(forBucket: enqueuedCount - 1) }
    isInFlight = false
  }

  // MARK: Beside them

  /// The `values` of every rank, in rank order; also while buckets are in flight.
  ///
  /// Collective; counts are the same on all ranks. Not with ``Reduction/fast`` before `finish`.
  package func gather(_ values: [Double]) throws(MPIError) -> [[Double]] {
    guard let exchange else { return [values] }
    precondition(reduction == .tree || !isInFlight, "a gather beside the library's sums")
    let start = beginWaiting()
    defer { endWaiting(since: start) }
    // As pairs of floats: they are moved and never added.
    let count = 2 * values.count
    let all = UnsafeMutableBufferPointer<Float>.allocate(capacity: count * communicator.size)
    let bytes = UnsafeMutableRawBufferPointer(all)
    func offset(_ rank: Int) -> Int { 4 * exchange.gatherOffset(of: rank, count: count) }
    let own = offset(communicator.rank)
    for (index, value) in values.enumerated() {
      bytes.storeBytes(of: value, toByteOffset: own + 8 * index, as: Double.self)
    }
    if let thread {
      thread.enqueue(all, count: count)
      try thread.waitForGather()
    } else {
      try exchange.beginGather(all, count: count)
      try advance { !exchange.isGathering }
    }
    // Not after a failure: messages in flight may still be written to it.
    defer { all.deallocate() }
    return (0..<communicator.size).map { rank in
      values.indices.map {
        bytes.loadUnaligned(fromByteOffset: offset(rank) + 8 * $0, as: Double.self)
      }
    }
  }

  /// Begins to gather `values`, of which this rank holds its own elements; then
  /// ``gather(throughBucket:)`` and ``finishGather()`` follow.
  ///
  /// - Precondition: the reducer is sharded and the step finished.
  package func beginGather(of values: UnsafeMutableBufferPointer<Float>) {
    precondition(isSharded, "a gather of chunks that are not owned")
    begin([values], phase: .gather)
  }

  /// Declares the own elements of the first `bucket` + 1 buckets ready to be sent.
  package func gather(throughBucket bucket: Int) { enqueue(bucket + 1) }

  /// Returns when the values of all ranks have arrived.
  package func finishGather() throws(MPIError) {
    enqueue(buckets.ranges.count)
    if enqueuedCount > 0 { try wait(forBucket: enqueuedCount - 1) }
    isInFlight = false
  }

  // MARK: Parts of the above

  private func beginWaiting() -> ContinuousClock.Instant {
    Progress.beginWaiting()
    return clock.now
  }

  private func endWaiting(since start: ContinuousClock.Instant) {
    seconds += (clock.now - start) / .seconds(1)
    Progress.endWaiting()
  }

  private func begin(_ own: [UnsafeMutableBufferPointer<Float>], phase: ExchangePhase) {
    precondition(!isInFlight, "begin before the last step was finished")
    precondition(
      !own.isEmpty && own.allSatisfy { $0.count == buckets.elementCount },
      "partial sums of \(own.map(\.count)) for buckets of \(buckets.elementCount)")
    isInFlight = true
    finalOffset = buckets.elementCount
    enqueuedCount = 0
    guard let exchange else { return }
    if let thread {
      thread.begin { [shards] in $0.begin(own, shards: shards, phase: phase) }
    } else {
      exchange.begin(own, shards: shards, phase: phase)
    }
  }

  private func enqueue(_ count: Int) {
    enqueuedCount = count
    guard let exchange else { return }
    if let thread { return thread.enqueue(count) }
    guard overlap == .poll, failure == nil else { return }
    do throws(MPIError) {
      try exchange.advance(count)
    } catch {
      // After a failure the other ranks are lost to this one: more calls could only hang.
      failure = error
    }
  }

  /// Moves messages on this thread until `isDone`.
  private func advance(until isDone: () -> Bool) throws(MPIError) {
    guard let exchange else { return }
    if let failure { throw failure }
    var backoff = Backoff()
    while !isDone() {
      let before = exchange.finishedCount
      try exchange.advance(enqueuedCount)
      if exchange.finishedCount > before { backoff.reset() } else { backoff.pause() }
    }
  }
}
