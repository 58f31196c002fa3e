// The batches that a loader's threads prepare: which tile is whose, and which batch is ready.

import Files
import Foundation

/// Batches on their way from the threads that fill them to the one that takes them.
///
/// Threads fill one tile at a time, those of earlier batches first, so that several work on one
/// batch. What a tile is depends on neither thread nor order.
final class BatchPreparation: @unchecked Sendable {
  // Unchecked because its variables are only touched while `condition` is locked.

  private let dataset: Dataset
  private let sampler: ShardedSampler
  private let augmentation: Augmentation
  private let seed: UInt64
  private let rank: Int
  private let ranks: Int

  private let condition = NSCondition()
  private var free: [[SampleBuffer]]
  /// The batches that are begun and not taken, in the order of their steps.
  private var begun: [Pending] = []
  private var nextStep: Int
  private var order: ShardedSampler.EpochOrder?
  private var lent: [SampleBuffer]?
  private var isClosed = false
  private var threads = 0

  /// A batch whose tiles are being filled.
  private final class Pending {
    let batch: LoadedBatch
    let buffers: [SampleBuffer]
    /// Tiles that a thread has taken, and those that are filled.
    var taken = 0
    var filled = 0
    var failure: (any Error)?

    init(_ batch: LoadedBatch, _ buffers: [SampleBuffer]) {
      self.batch = batch
      self.buffers = buffers
    }

    var isReady: Bool { filled == batch.samples.count }
  }

  init(
    dataset: Dataset, sampler: ShardedSampler, augmentation: Augmentation, tile: TileShape,
    seed: UInt64, rank: Int, ranks: Int, startStep: Int, batches: Int
  ) {
    self.dataset = dataset
    self.sampler = sampler
    self.augmentation = augmentation
    self.seed = seed
    self.rank = rank
    self.ranks = ranks
    nextStep = startStep
    // An epoch may hold fewer samples than a global batch, and no batch more than either.
    let largest = min(sampler.globalBatch, sampler.drawsPerEpoch)
    let shard = (largest + ranks - 1) / ranks
    free = (0..<batches).map { _ in
      (0..<shard).map { _ in
        SampleBuffer(tile: tile, channels: dataset.channels, isWeighted: dataset.isWeighted)
      }
    }
  }

  // MARK: The threads that fill

  /// Counts a thread that is about to `work`.
  func join() {
    condition.lock()
    defer { condition.unlock() }
    threads += 1
  }

  /// Counts a thread that has ended, or never begun.
  func leave() {
    condition.lock()
    defer { condition.unlock() }
    threads -= 1
    condition.broadcast()
  }

  /// Fills tiles until the loader is closed, or a tile has failed; then `leave`s.
  func work() {
    defer { leave() }
    condition.lock()
    defer { condition.unlock() }
    while let pending = takeTile() { fillTile(of: pending) }
  }

  /// Fills the tile that was taken last; the lock is held before and after.
  private func fillTile(of pending: Pending) {
    let index = pending.taken - 1
    condition.unlock()
    let result = Result { try fill(pending.batch, index) }
    condition.lock()
    pending.filled += 1
    if case .failure(let error) = result { pending.failure = pending.failure ?? error }
    condition.broadcast()
  }

  /// The batch whose next tile this thread is to fill; nil at the end.
  ///
  /// The lock is held.
  private func takeTile() -> Pending? {
    while !isClosed && !begun.contains(where: { $0.failure != nil }) {
      if let pending = begun.first(where: { $0.taken < $0.batch.samples.count }) {
        pending.taken += 1
        return pending
      }
      if free.isEmpty {
        condition.wait()
      } else {
        begin()
      }
    }
    return nil
  }

  /// Begins the next batch.
  ///
  /// The lock is held, and there are free buffers.
  private func begin() {
    let buffers = free.removeLast()
    let batch = sampler.batch(step: nextStep, keeping: &order)
    nextStep += 1
    let own = batch.batchIndices(rank: rank, ranks: ranks)
    let loaded = LoadedBatch(
      batch: batch, batchIndices: own, samples: Array(buffers.prefix(own.count)))
    begun.append(Pending(loaded, buffers))
    // A batch without samples is ready at once.
    condition.broadcast()
  }

  private func fill(_ loaded: LoadedBatch, _ index: Int) throws {
    let (batch, buffer) = (loaded.batch, loaded.samples[index])
    let batchIndex = loaded.batchIndices.lowerBound + index
    let draw = batch.draws[batchIndex]
    try augmentation.fill(
      buffer, from: dataset.source(batch.samples[batchIndex]),
      stream: Augmentation.stream(seed: seed, epoch: batch.epoch, draw: draw))
    buffer.draw = draw
    buffer.epoch = batch.epoch
  }

  // MARK: The thread that takes

  /// The next batch; batches prepared before a failure come first.
  func next() throws -> LoadedBatch {
    condition.lock()
    defer { condition.unlock() }
    if let buffers = lent {
      lent = nil
      free.append(buffers)
      condition.broadcast()
    }
    while !isClosed && begun.first.map({ !$0.isReady && $0.failure == nil }) ?? true {
      if threads == 0, let pending = takeTile() {
        fillTile(of: pending)
      } else {
        condition.wait()
      }
    }
    guard !isClosed else {
      throw FileError(
        .closed, path: "the batch loader", expected: "an open loader", found: "a closed one",
        hint: "start another")
    }
    // A batch that has failed stays, so that it fails again.
    if let failure = begun[0].failure { throw failure }
    let pending = begun.removeFirst()
    lent = pending.buffers
    return pending.batch
  }

  /// Ends the threads and waits for them.
  func close() {
    condition.lock()
    defer { condition.unlock() }
    isClosed = true
    condition.broadcast()
    while threads > 0 { condition.wait() }
  }
}
