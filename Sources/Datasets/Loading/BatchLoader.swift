// Prepares the next batches on threads of its own while the network computes.

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

/// Hands out this rank's shard of one step after the other, prepared ahead on threads of its own.
///
/// A tile is a pure function of (seed, epoch, draw): what `next()` returns does not depend on the
/// step the loader started with, on timing, or on the number of ranks or threads. Two batches are
/// prepared ahead, in buffers that are allocated once. There is one thread, until steps have waited for
/// it again and again; then there are more, up to a limit. One thread at a time may call the methods.
package final class BatchLoader {
  /// The batches prepared ahead of the one in use.
  package static let depth = 2

  /// Threads beyond which no run needs more: each fills a tile in milliseconds.
  package static let mostThreads = 8

  /// The seconds that the last `next()` waited.
  package private(set) var secondsWaited = 0.0
  /// The seconds that all calls of `next()` waited.
  package private(set) var totalSecondsWaited = 0.0
  /// The threads that prepare tiles.
  package private(set) var threadCount = 0

  private let preparation: BatchPreparation
  private let threadLimit: Int
  /// Whether the system has refused a thread.
  private var isRefused = false
  /// When the last `next()` has returned.
  private var returned: ContinuousClock.Instant?
  /// Calls in a row that have waited for a tenth of a step or longer.
  private var longWaits = 0

  /// Long waits in a row after which there is another thread.
  private static let patience = 4

  /// Starts `threads`, which begin with `startStep`; there are `threadLimit` in the end at most.
  ///
  /// - Precondition: 0 <= rank < ranks, `startStep` >= 0, the sampler's ids are the data set's.
  package init(
    dataset: Dataset, sampler: ShardedSampler, augmentation: Augmentation, tile: TileShape,
    seed: UInt64, rank: Int = 0, ranks: Int = 1, startStep: Int = 0, threads: Int = 1,
    threadLimit: Int = 1
  ) {
    precondition(rank >= 0 && rank < ranks, "rank \(rank) of \(ranks)")
    precondition(startStep >= 0, "step \(startStep)")
    self.threadLimit = max(threads, threadLimit)
    preparation = BatchPreparation(
      dataset: dataset, sampler: sampler, augmentation: augmentation, tile: tile, seed: seed,
      rank: rank, ranks: ranks, startStep: startStep, batches: 1 + Self.depth)
    for _ in 0..<threads { addThread() }
  }

  deinit {
    close()
  }

  /// Starts a thread; where the system refuses it, those that there are go on, or else `next()` fills
  /// tiles by itself.
  private func addThread() {
    let own = Unmanaged.passRetained(preparation)
    preparation.join()
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<BatchPreparation>.fromOpaque(argument).takeRetainedValue().work()
        return nil
      }, own.toOpaque())
    guard status == 0 else {
      preparation.leave()
      own.release()
      isRefused = true
      return
    }
    pthread_detach(thread)
    threadCount += 1
  }

  /// The next step's samples; the buffers of the previous call are handed back to the threads.
  ///
  /// A rank whose shard is empty (more ranks than samples) gets a batch without samples.
  ///
  /// - Throws: what a thread met at this step (`FileError`), again at each
  ///   further call; `FileError` of kind `.closed` after `close()`.
  package func next() throws -> LoadedBatch {
    let start = ContinuousClock.now
    let batch = try preparation.next()
    let now = ContinuousClock.now
    secondsWaited = (now - start) / .seconds(1)
    totalSecondsWaited += secondsWaited
    if let returned {
      let isLong = secondsWaited > 0.1 * ((now - returned) / .seconds(1))
      longWaits = isLong ? longWaits + 1 : 0
    }
    returned = now
    if longWaits >= Self.patience && threadCount < threadLimit && !isRefused {
      longWaits = 0
      addThread()
    }
    return batch
  }

  /// Ends the threads and waits until they have ended; does nothing when called again.
  package func close() {
    preparation.close()
  }
}
