// From the gradients of this rank's samples to updated parameters: accumulate, reduce, watch, update.

import Communication
import Datasets
import Kernels
import Liveness
import Tensors
import Threading

/// The way of the gradients of a step to updated parameters.
///
/// A step calls `begin`, then for each sample `beginSample`, `declareFinal` as the backward pass goes
/// and `endSample`, and at last `finish`, which returns when the parameters are updated. The order
/// of updating is chosen once, by what the reducer does and what the update needs to know first.
final class GradientExchange {
  /// What all ranks know of a step.
  struct Sums {
    /// The summed loss of each sample of the global batch, in order.
    let losses: [Double]
    /// The Euclidean norm of the gradient, before clipping.
    let norm: Double
    /// Whether bits of the parameters or the state of one of them have changed since the last update.
    let isDamaged: Bool
    /// The signal that has asked one of them for the end.
    let stop: StopSignal?

    /// Whether weights may be updated.
    var allowUpdate: Bool { !isDamaged && norm.isFinite && losses.allSatisfy(\.isFinite) }
  }

  /// What sums the gradients.
  let reducer: GradientReducer
  private let accumulator: GradientAccumulator
  private let update: ParameterUpdate
  private let order: any UpdateOrder
  private let communicator: any Communicator
  private let team: ThreadTeam

  private var batch: ShardedSampler.Batch?
  /// Samples of this rank that are still to come, the one at work included.
  private var samplesLeft = 0
  private var finalOffset = 0
  private var areSmall = true

  /// An exchange that reduces by `reducer` and updates as it gives the sums.
  init(
    reducer: GradientReducer, accumulator: GradientAccumulator, update: ParameterUpdate,
    communicator: any Communicator, team: ThreadTeam
  ) {
    self.reducer = reducer
    self.accumulator = accumulator
    self.update = update
    self.communicator = communicator
    self.team = team
    order =
      if reducer.isSharded {
        ShardedUpdateOrder()
      } else if communicator.size > 1 && reducer.overlap != .off && reducer.reduction == .tree
        && update.clipNorm == 0
      {
        BucketUpdateOrder()
      } else {
        WholeUpdateOrder()
      }
  }

  /// An exchange of the same gradients by another reducer, which makes the same sums at other times.
  func replacing(_ reducer: GradientReducer) -> GradientExchange {
    precondition(
      reducer.reduction == self.reducer.reduction
        && reducer.compression == self.reducer.compression
        && reducer.isSharded == self.reducer.isSharded && reducer.buckets == self.reducer.buckets,
      "a reducer that makes other sums")
    return GradientExchange(
      reducer: reducer, accumulator: accumulator, update: update, communicator: communicator,
      team: team)
  }

  /// Begins the step of `batch`, of which this rank takes the batch indices `own`.
  func begin(_ batch: ShardedSampler.Batch, own: Range<Int>) {
    self.batch = batch
    samplesLeft = own.count
    areSmall = true
    accumulator.begin(batchIndices: own, of: batch.samples.count, on: team)
    if own.isEmpty { beginReduction(of: accumulator.sums, batch) }
  }

  /// The zeroed buffer to which the next sample's gradient is to be added.
  func beginSample() throws(AllocationError) -> UnsafeMutablePointer<Float> {
    finalOffset = accumulator.elementCount
    return try accumulator.beginSample(on: team)
  }

  /// Tells that the loss of a sample is known and its backward pass begins.
  func beginBackward() {
    guard let batch else { preconditionFailure("a sample before the step has begun") }
    if samplesLeft == 1 { beginReduction(of: accumulator.sumsAfterSample, batch) }
  }

  /// Declares the sample's gradients at `offset` and above final.
  func declareFinal(from offset: Int) {
    guard let batch else { preconditionFailure("gradients before the step has begun") }
    let range = offset..<finalOffset
    finalOffset = offset
    accumulator.add(range, on: team)
    guard samplesLeft == 1 else { return }
    // Before the others' gradients come to these.
    if order.needsSmallSums && areSmall {
      // No sum of this many partial sums, one a sample at most, can overflow below it.
      let limit = Float.greatestFiniteMagnitude / (2 * Float(batch.samples.count))
      areSmall = accumulator.areWithin(limit, range, on: team)
    }
    reducer.reduce(from: offset)
  }

  /// Ends the sample whose gradients are final everywhere.
  func endSample() {
    declareFinal(from: 0)
    accumulator.endSample()
    samplesLeft -= 1
  }

  /// Waits for the sums over all ranks and updates the parameters; collective.
  ///
  /// The update is left out, on every rank alike, when the loss or the gradient is not finite, or when bits
  /// have changed of what it would change.
  ///
  /// - Parameters:
  ///   - losses: the summed loss of each of this rank's samples.
  ///   - stop: tells the signal that has asked this rank for the end.
  ///   - beforeUpdate: returns when parameters and state may change.
  /// - Throws: `MPIError`; what `beforeUpdate` throws.
  func finish(
    losses: [Double], rate: Double, timeline: Timeline?, stop: @escaping () -> StopSignal?,
    beforeUpdate: @escaping () throws -> Void
  ) throws -> Sums {
    guard let batch else { preconditionFailure("the end of a step that has not begun") }
    self.batch = nil
    try FaultPoint.exchange.reach(step: batch.step + 1, [accumulator.sums[0].floats])
    try FaultPoint.update.reach(step: batch.step + 1, update.stateGuard.buffers)
    let step = UpdateStep(
      batch: batch, losses: losses, areSmall: areSmall,
      // Looked for while buckets are still in flight.
      isDamaged: update.stateGuard.isDamaged(), gradients: accumulator.sums[0],
      rate: rate, reducer: reducer, rank: communicator.rank, ranks: communicator.size,
      timeline: timeline, stop: stop, beforeUpdate: beforeUpdate)
    return try order.run(step, update)
  }

  private func beginReduction(of sums: [FloatBuffer], _ batch: ShardedSampler.Batch) {
    let ranks = communicator.size
    reducer.begin(
      sums.map(\.floats), shards: (0..<ranks).map { batch.batchIndices(rank: $0, ranks: ranks) })
  }
}
