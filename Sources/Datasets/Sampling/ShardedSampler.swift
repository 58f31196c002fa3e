// Which samples stand where in which global batch, and which of them a rank takes.

package import Files
import Randomness

/// The order of a training run: every step's global batch as a pure function of the step.
///
/// Each epoch draws every sample `tilesPerImage` times, in an order shuffled by (seed, epoch), and
/// cuts that order into global batches; the last batch of an epoch may be smaller. Nothing depends
/// on the number of ranks, and any step can be asked for first, which is how a run resumes.
package struct ShardedSampler: Sendable, Equatable {
  /// The samples of one optimiser step over all ranks.
  package struct Batch: Sendable, Equatable {
    /// The step, from 0.
    package let step: Int
    /// The epoch, from 0.
    package let epoch: Int
    /// The step in its epoch, from 0.
    package let stepInEpoch: Int
    /// The sample id at each batch index.
    package let samples: [Int]
    /// The identity of the draw at each batch index: it keys all randomness of that sample in this epoch.
    ///
    /// It is the sample id for the first tile of an image in an epoch, and differs for each
    /// further one.
    package let draws: [Int]

    /// The batch indices of this batch that a rank takes; see `ShardedSampler.batchIndices(of:rank:ranks:)`.
    package func batchIndices(rank: Int, ranks: Int) -> Range<Int> {
      ShardedSampler.batchIndices(of: samples.count, rank: rank, ranks: ranks)
    }
  }

  /// The ids of the samples to draw from.
  package let samples: [Int]
  /// The batch indices of a full global batch.
  package let globalBatch: Int
  /// The draws of each sample in an epoch.
  package let tilesPerImage: Int
  /// The seed of the order.
  package let seed: UInt64
  /// One more than the largest id: the distance between the draws of one sample.
  private let idSpan: Int

  /// The draws of an epoch.
  package var drawsPerEpoch: Int { samples.count * tilesPerImage }

  /// The steps of an epoch, the smaller last one included.
  package var stepsPerEpoch: Int { (drawsPerEpoch - 1) / globalBatch + 1 }

  /// The order of these samples for this seed.
  ///
  /// - Throws: `FileError` when there is no sample, a count is not positive, or an epoch has
  ///   more draws than can be numbered in 32 bits.
  package init(
    samples: [Int], globalBatch: Int, tilesPerImage: Int = 1, seed: UInt64
  ) throws(FileError) {
    guard let first = samples.min(), let last = samples.max(), first >= 0 else {
      throw FileError(
        .noImages, path: "the training set", expected: "at least one image", found: "none",
        hint: "add images or lower --validation-fraction")
    }
    guard globalBatch > 0 else {
      throw FileError(
        .invalidArgument, path: "--global-batch", expected: "a positive number",
        found: "\(globalBatch)", hint: "one sample a rank is the default")
    }
    let most = Int(UInt32.max) / (last + 1)
    guard (1...max(1, most)).contains(tilesPerImage) else {
      throw FileError(
        .invalidArgument, path: "the tiles per image", expected: "a number in 1...\(most)",
        found: "\(tilesPerImage)", hint: "1 draws each image once an epoch")
    }
    self.samples = samples
    self.globalBatch = globalBatch
    self.tilesPerImage = tilesPerImage
    self.seed = seed
    idSpan = last + 1
  }

  /// The draws of one epoch in their order, kept from one batch to the next.
  package struct EpochOrder: Sendable {
    fileprivate let epoch: Int
    fileprivate let draws: [Int]
  }

  /// The batch of a step.
  ///
  /// - Complexity: one shuffle of an epoch.
  /// - Precondition: `step` >= 0.
  package func batch(step: Int) -> Batch {
    var order: EpochOrder?
    return batch(step: step, keeping: &order)
  }

  /// The batch of a step, with the order of its epoch in `order`, where the next step finds it.
  ///
  /// - Complexity: one shuffle an epoch for steps in turn.
  /// - Precondition: `step` >= 0; `order` is nil or this sampler's.
  package func batch(step: Int, keeping order: inout EpochOrder?) -> Batch {
    precondition(step >= 0, "step \(step)")
    let (epoch, stepInEpoch) = step.quotientAndRemainder(dividingBy: stepsPerEpoch)
    let draws: [Int]
    if let order, order.epoch == epoch {
      draws = order.draws
    } else {
      var stream = RandomStream(seed: seed, purpose: .shuffle, epoch: epoch)
      draws = stream.permutation(drawsPerEpoch)
      order = EpochOrder(epoch: epoch, draws: draws)
    }
    let start = stepInEpoch * globalBatch
    let drawn = draws[start..<min(start + globalBatch, drawsPerEpoch)]
    return Batch(
      step: step, epoch: epoch, stepInEpoch: stepInEpoch,
      samples: drawn.map { samples[$0 % samples.count] },
      draws: drawn.map { samples[$0 % samples.count] + $0 / samples.count * idSpan })
  }

  /// The batch indices of a full global batch that a rank takes.
  package func batchIndices(rank: Int, ranks: Int) -> Range<Int> {
    Self.batchIndices(of: globalBatch, rank: rank, ranks: ranks)
  }

  /// The batch indices of a batch of `count` that a rank takes: contiguous, in the order of the ranks.
  ///
  /// Rank r of R takes floor(r count / R) ..< floor((r + 1) count / R), which is empty for some
  /// ranks when there are more ranks than batch indices.
  ///
  /// - Precondition: 0 <= rank < ranks.
  package static func batchIndices(of count: Int, rank: Int, ranks: Int) -> Range<Int> {
    precondition(count >= 0 && rank >= 0 && rank < ranks, "rank \(rank) of \(ranks)")
    return rank * count / ranks..<(rank + 1) * count / ranks
  }
}
