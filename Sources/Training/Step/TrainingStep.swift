// One step of training on one rank: gradients of its samples, their sum over ranks, one update.

import Communication
import Datasets
import Kernels
import Network
import Randomness
import Tensors
import Threading

/// The buffers and the work of a training step.
///
/// The unit of work is one sample. Its loss is divided by (samples of the global batch x output
/// pixels), so gradients are summed over ranks, never averaged, and a smaller last batch is exact.
package final class TrainingStep {
  /// What a step found, equal on all ranks but for the seconds.
  package struct Result: Sendable {
    /// The loss over the global batch, before the update.
    package var loss: Double
    /// The Euclidean norm of the whole gradient, before clipping.
    package var gradientNorm: Double
    /// The places of the global batch whose own loss is not finite.
    package var brokenPlaces: [Int]
    /// Where the time went on this rank, loading excepted.
    package var seconds: StepRecord.Seconds
    /// The bytes that this rank has sent.
    package var sentByteCount: Int
  }

  /// The network.
  package let network: UNet
  /// The parameters, updated in place.
  package let parameters: FloatBuffer
  /// The optimiser and its state.
  package let optimizer: Optimizer
  /// Where steps are recorded, if anywhere.
  package var timeline: Timeline?
  /// What sums the gradients.
  ///
  /// Between steps another may take its place that makes the same sums at other times.
  package var reducer: GradientReducer {
    willSet {
      precondition(
        newValue.reduction == reducer.reduction && newValue.compression == reducer.compression
          && newValue.isSharded == reducer.isSharded && newValue.buckets == reducer.buckets,
        "a reducer that makes other sums")
    }
  }

  private let accumulator: GradientAccumulator
  /// The memory of the passes; between steps it is free for evaluation.
  let activations: UNetActivations
  private let loss: any SegmentationLoss
  private let clipNorm: Double
  private let seed: UInt64
  private let communicator: any Communicator
  let team: ThreadTeam
  /// The loss of each of this rank's places, as many as any rank has.
  private var ownLosses: [Double]
  /// The sum of squares of each piece of the gradient.
  private let squares: GradientSquares
  private let clock = ContinuousClock()

  /// Plans the memory of steps on tiles of side `tile`, with at most `globalBatch` samples.
  ///
  /// - Precondition: the optimiser keeps the state of what the reducer gives this rank the sums of.
  package init(
    network: UNet, optimizer: Optimizer, tile: Int, globalBatch: Int, loss: any SegmentationLoss,
    clipNorm: Double, seed: UInt64, reducer: GradientReducer, communicator: any Communicator,
    team: ThreadTeam
  ) throws(AllocationError) {
    let own = reducer.owned(by: communicator.rank)
    precondition(optimizer.slices == own, "state of \(optimizer.slices), sums of \(own)")
    self.network = network
    self.optimizer = optimizer
    self.loss = loss
    self.clipNorm = clipNorm
    self.seed = seed
    self.reducer = reducer
    self.communicator = communicator
    self.team = team
    parameters = try FloatBuffer(count: network.layout.count, for: "parameters")
    accumulator = try GradientAccumulator(
      elementCount: network.layout.count, reduction: reducer.reduction,
      compression: reducer.compression,
      places: ShardedSampler.places(
        of: globalBatch, rank: communicator.rank, ranks: communicator.size),
      of: globalBatch)
    activations = try UNetActivations(
      network, height: tile, width: tile, training: true, threads: team.count)
    let share = (globalBatch + communicator.size - 1) / communicator.size
    ownLosses = [Double](repeating: 0, count: share)
    squares = GradientSquares(
      elementCount: network.layout.count,
      slices: (0..<communicator.size).map { reducer.owned(by: $0) })
  }

  /// Bytes of the activations and of workspace.
  package var activationByteCount: Int { activations.byteCount }

  /// Computes this rank's samples, sums the gradients over the ranks, and updates the parameters.
  ///
  /// The update is left out, on every rank alike, when the loss or the gradient is not finite, so
  /// the parameters stay those of the last good step.
  ///
  /// - Throws: `MPIError`.
  package func run(_ batch: LoadedBatch, rate: Double) throws -> Result {
    var seconds = StepRecord.Seconds()
    var start = clock.now
    func lap(_ part: String) -> Double {
      let now = clock.now
      defer { start = now }
      timeline?.add(part, from: start, to: now)
      return (now - start) / .seconds(1)
    }

    accumulator.begin(places: batch.places, of: batch.batch.samples.count, on: team)
    let outputPixels = activations.logits.shape.pixels
    let scale = 1 / Float(batch.batch.samples.count * outputPixels)
    let limit = Float.greatestFiniteMagnitude / (2 * Float(batch.batch.samples.count))
    var areSmall = true
    for (index, sample) in batch.samples.enumerated() {
      let gradients = try accumulator.beginSample(on: team)
      seconds.backward += lap("clear gradients")
      let image = TensorView(base: sample.image, shape: activations.input)
      // A draw is told apart within its epoch, so the epoch keys its dropout.
      let dropout = DropoutKey(
        RandomStream(seed: seed, purpose: .dropout, epoch: sample.epoch, sample: sample.draw))
      network.forward(
        image, parameters: parameters.base, activations: activations, dropout: dropout, on: team)
      seconds.forward += lap("forward")
      guard let logitsGradient = activations.logitsGradient else {
        preconditionFailure("a step needs activations for training")
      }
      ownLosses[index] = loss.lossAndGradient(
        logits: activations.logits, labels: sample.labels, scale: scale, gradient: logitsGradient,
        rowSums: activations.rowSums, on: team)
      let isLast = index == batch.samples.count - 1
      if isLast { beginReduction(of: accumulator.sumsAfterSample, batch.batch) }
      var finalOffset = accumulator.elementCount
      func declareFinal(from offset: Int) {
        let range = offset..<finalOffset
        finalOffset = offset
        accumulator.add(range, on: team)
        guard isLast else { return }
        // Before the others' gradients come to these.
        if updatesEarly { areSmall = areSmall && accumulator.areWithin(limit, range, on: team) }
        reducer.reduce(from: offset)
      }
      network.backward(
        image, parameters: parameters.base, activations: activations, gradients: gradients,
        dropped: true, on: team, ready: declareFinal)
      declareFinal(from: 0)
      accumulator.endSample()
      seconds.backward += lap("backward")
    }
    if batch.samples.isEmpty { beginReduction(of: accumulator.sums, batch.batch) }
    let sums =
      if reducer.isSharded {
        try updateOwnSlices(batch.batch, rate: rate)
      } else if updatesEarly {
        try updateBucketByBucket(batch.batch, rate: rate, areSmall: areSmall)
      } else {
        try updateAtOnce(batch.batch, rate: rate)
      }
    seconds.reduce = reducer.seconds
    seconds.update = max(0, lap("exchange and update") - reducer.seconds)
    if !reducer.isSharded { timeline?.add("sum", reducer.times) }
    return Result(
      loss: sums.losses.reduce(0, +) / Double(sums.losses.count * outputPixels),
      gradientNorm: sums.norm,
      brokenPlaces: sums.losses.indices.filter { !sums.losses[$0].isFinite },
      seconds: seconds, sentByteCount: reducer.sentByteCount)
  }

  private func beginReduction(of sums: [FloatBuffer], _ batch: ShardedSampler.Batch) {
    let ranks = communicator.size
    reducer.begin(
      sums.map(\.floats), shares: (0..<ranks).map { batch.places(rank: $0, ranks: ranks) })
  }
}

// MARK: - The update

extension TrainingStep {
  /// What all ranks know of a step.
  private struct Sums {
    /// The summed loss of every place of the global batch, in order.
    let losses: [Double]
    /// The Euclidean norm of the gradient.
    let norm: Double

    /// Whether weights may be updated.
    var isFinite: Bool { norm.isFinite && losses.allSatisfy(\.isFinite) }
  }

  /// Whether buckets are updated while others are in flight: where nothing is asked for that needs
  /// all of them.
  private var updatesEarly: Bool {
    communicator.size > 1 && reducer.overlap != .off && reducer.reduction == .tree
      && !reducer.isSharded && clipNorm == 0
  }

  /// Waits for all sums, then updates everything.
  private func updateAtOnce(_ batch: ShardedSampler.Batch, rate: Double) throws -> Sums {
    try reducer.finish()
    let gathered = try reducer.gather(ownLosses)
    return updateAll(batch, rate: rate, losses: places(of: batch, in: gathered))
  }

  private func updateAll(
    _ batch: ShardedSampler.Batch, rate: Double, losses: [Double]
  ) -> Sums {
    let whole = 0..<gradients.count
    squares.add(gradients, whole, on: team)
    let sums = Sums(losses: losses, norm: squares.norm)
    if sums.isFinite { update(whole, batch, rate: rate, norm: sums.norm) }
    return sums
  }

  /// Updates every bucket as soon as it is summed, while others are still in flight.
  ///
  /// No weight may change when any gradient turns out not to be finite, and the last bucket comes
  /// last. But what the ranks have computed is known when the backward passes have ended: where all
  /// partial sums are so small that no sum of them can overflow (`areSmall` on every rank), all sums
  /// will be finite. The ranks tell each other so together with the losses; otherwise the update
  /// waits for all sums.
  private func updateBucketByBucket(
    _ batch: ShardedSampler.Batch, rate: Double, areSmall: Bool
  ) throws -> Sums {
    reducer.reduce(from: 0)
    let gathered = try reducer.gather(ownLosses + [areSmall ? 1 : 0])
    let losses = places(of: batch, in: gathered)
    guard gathered.allSatisfy({ $0.last == 1 }), losses.allSatisfy(\.isFinite) else {
      try reducer.finish()
      return updateAll(batch, rate: rate, losses: losses)
    }
    for (bucket, range) in reducer.buckets.ranges.enumerated() {
      try reducer.wait(forBucket: bucket)
      squares.add(gradients, range, on: team)
      update(range, batch, rate: rate, norm: 0)
    }
    try reducer.finish()
    return Sums(losses: losses, norm: squares.norm)
  }

  /// Updates this rank's slices, then gathers the parameters of all ranks.
  private func updateOwnSlices(_ batch: ShardedSampler.Batch, rate: Double) throws -> Sums {
    try reducer.finish()
    timeline?.add("sum", reducer.times)
    for slice in optimizer.slices { squares.add(gradients, slice, on: team) }
    let gathered = try reducer.gather(ownLosses + squares.pieces(of: communicator.rank))
    for rank in gathered.indices {
      squares.setPieces(of: rank, gathered[rank].dropFirst(ownLosses.count))
    }
    let sums = Sums(losses: places(of: batch, in: gathered), norm: squares.norm)
    guard sums.isFinite else { return sums }
    reducer.beginGather(of: parameters.floats)
    for bucket in reducer.buckets.ranges.indices {
      let own = reducer.owned(inBucket: bucket, by: communicator.rank)
      update(own, batch, rate: rate, norm: sums.norm)
      reducer.gather(throughBucket: bucket)
    }
    try reducer.finishGather()
    timeline?.add("gather", reducer.times)
    return sums
  }

  /// The gradient buffer that holds the sums over the ranks.
  private var gradients: FloatBuffer { accumulator.sums[0] }

  private func update(
    _ range: Range<Int>, _ batch: ShardedSampler.Batch, rate: Double, norm: Double
  ) {
    let clips = clipNorm > 0 && norm > clipNorm
    optimizer.update(
      parameters, gradients: gradients, range: range,
      gradientScale: clips ? Float(clipNorm / norm) : 1, rate: rate, update: batch.step + 1,
      on: team)
  }

  /// The losses of all places, in order, from what each rank told of its own first.
  private func places(of batch: ShardedSampler.Batch, in gathered: [[Double]]) -> [Double] {
    gathered.indices.flatMap { rank in
      gathered[rank].prefix(batch.places(rank: rank, ranks: gathered.count).count)
    }
  }
}
