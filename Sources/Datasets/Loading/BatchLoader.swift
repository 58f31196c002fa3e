// Prepares the next batches on a thread of its own while the network computes.

import Files
import Foundation

/// The samples of one step that this rank computes.
package struct LoadedBatch: Sendable {
  /// The global batch they belong to.
  package let batch: ShardedSampler.Batch
  /// The batch indices in the global batch that are this rank's.
  package let batchIndices: Range<Int>
  /// The tiles in the order of their batch indices; valid until the following `next()`.
  package let samples: [SampleBuffer]

  /// A batch whose tiles were filled otherwise.
  package init(batch: ShardedSampler.Batch, batchIndices: Range<Int>, samples: [SampleBuffer]) {
    self.batch = batch
    self.batchIndices = batchIndices
    self.samples = samples
  }
}

/// Hands out this rank's shard of one step after the other, prepared ahead on its own thread.
///
/// A tile is a pure function of (seed, epoch, draw): what `next()` returns does not depend on the
/// step the loader started with, on timing, or on the number of ranks. Two batches are prepared
/// ahead, in buffers that are allocated once. One thread at a time may call the methods.
package final class BatchLoader {
  /// The batches prepared ahead of the one in use.
  package static let depth = 2

  /// The seconds that the last `next()` waited.
  package private(set) var secondsWaited = 0.0
  /// The seconds that all calls of `next()` waited.
  package private(set) var totalSecondsWaited = 0.0

  private let queue: Queue

  /// Starts the thread, which begins with `startStep`.
  ///
  /// - Precondition: 0 <= rank < ranks, `startStep` >= 0, the sampler's ids are the data set's.
  package init(
    dataset: Dataset, sampler: ShardedSampler, augmentation: Augmentation, tile: TileShape,
    seed: UInt64, rank: Int = 0, ranks: Int = 1, startStep: Int = 0
  ) {
    precondition(rank >= 0 && rank < ranks, "rank \(rank) of \(ranks)")
    precondition(startStep >= 0, "step \(startStep)")
    // An epoch may hold fewer samples than a global batch, and no batch more than either.
    let largest = min(sampler.globalBatch, sampler.drawsPerEpoch)
    let shard = (largest + ranks - 1) / ranks
    let queue = Queue(
      buffers: (0...Self.depth).map { _ in
        (0..<shard).map { _ in
          SampleBuffer(
            tile: tile, channels: dataset.channels, isWeighted: dataset.isWeighted)
        }
      })
    self.queue = queue
    let thread = Thread {
      var step = startStep
      var order: ShardedSampler.EpochOrder?
      while let buffers = queue.takeFree() {
        do {
          let batch = sampler.batch(step: step, keeping: &order)
          let batchIndices = batch.batchIndices(rank: rank, ranks: ranks)
          for (buffer, batchIndex) in zip(buffers, batchIndices) {
            let draw = batch.draws[batchIndex]
            augmentation.fill(
              buffer, from: try dataset.image(batch.samples[batchIndex]),
              stream: Augmentation.stream(seed: seed, epoch: batch.epoch, draw: draw))
            buffer.draw = draw
            buffer.epoch = batch.epoch
          }
          queue.deliver(
            LoadedBatch(
              batch: batch, batchIndices: batchIndices,
              samples: Array(buffers.prefix(batchIndices.count))),
            in: buffers)
        } catch {
          queue.fail(error)
          break
        }
        step += 1
      }
      queue.finish()
    }
    thread.name = "batch loader"
    thread.start()
  }

  deinit {
    close()
  }

  /// The next step's samples; the buffers of the previous call are handed back to the thread.
  ///
  /// A rank whose shard is empty (more ranks than samples) gets a batch without samples.
  ///
  /// - Throws: what the thread met at this step (`FileError`), again at each
  ///   further call; `FileError` of kind `.closed` after `close()`.
  package func next() throws -> LoadedBatch {
    let start = ContinuousClock.now
    let batch = try queue.takeReady()
    secondsWaited = (ContinuousClock.now - start) / .seconds(1)
    totalSecondsWaited += secondsWaited
    return batch
  }

  /// Ends the thread and waits until it has ended; does nothing when called again.
  package func close() {
    queue.close()
  }

  // MARK: - Queue

  /// The buffers on their way between the two threads.
  private final class Queue: @unchecked Sendable {
    // Unchecked because its variables are only touched while `condition` is locked.

    private let condition = NSCondition()
    private var free: [[SampleBuffer]]
    private var ready: [(batch: LoadedBatch, buffers: [SampleBuffer])] = []
    private var lent: [SampleBuffer]?
    private var failure: (any Error)?
    private var isClosed = false
    private var isFinished = false

    init(buffers: [[SampleBuffer]]) {
      free = buffers
    }

    // MARK: The loader's side

    /// Buffers to fill, or nil when the loader has been closed.
    func takeFree() -> [SampleBuffer]? {
      condition.lock()
      defer { condition.unlock() }
      while free.isEmpty && !isClosed { condition.wait() }
      return isClosed ? nil : free.removeLast()
    }

    func deliver(_ batch: LoadedBatch, in buffers: [SampleBuffer]) {
      condition.lock()
      defer { condition.unlock() }
      ready.append((batch, buffers))
      condition.broadcast()
    }

    func fail(_ error: any Error) {
      condition.lock()
      defer { condition.unlock() }
      failure = error
      condition.broadcast()
    }

    func finish() {
      condition.lock()
      defer { condition.unlock() }
      isFinished = true
      condition.broadcast()
    }

    // MARK: The caller's side

    /// The next batch; batches prepared before a failure come first.
    func takeReady() throws -> LoadedBatch {
      condition.lock()
      defer { condition.unlock() }
      if let buffers = lent {
        lent = nil
        free.append(buffers)
        condition.broadcast()
      }
      while ready.isEmpty && failure == nil && !isClosed { condition.wait() }
      guard !isClosed else {
        throw FileError(
          .closed, path: "the batch loader", expected: "an open loader", found: "a closed one",
          hint: "start another")
      }
      guard !ready.isEmpty else {
        throw failure ?? CancellationError()
      }
      let (batch, buffers) = ready.removeFirst()
      lent = buffers
      return batch
    }

    func close() {
      condition.lock()
      defer { condition.unlock() }
      isClosed = true
      condition.broadcast()
      while !isFinished { condition.wait() }
    }
  }
}
