// One step of training on one rank: gradients of its samples, their sum over ranks, one update.

package import Communication
package import Datasets
package import Kernels
package import Liveness
package import Network
import Randomness
package import Tensors
package import Threading

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
    /// The batch indices of the global batch whose own loss is not finite.
    package var brokenBatchIndices: [Int]
    /// Whether bits of a rank's parameters or state have changed since the last update; then nothing was
    /// updated, and what the step found may be wrong.
    package var isDamaged: Bool
    /// Where the time went on this rank, loading excepted.
    package var seconds: StepRecord.Seconds
    /// The bytes that this rank has sent.
    package var sentByteCount: Int
    /// The signal that has asked one of the ranks for the end.
    package var stop: StopSignal?
  }

  /// The network.
  package let network: UNet
  /// The parameters, updated in place.
  package let parameters: FloatBuffer
  /// The optimiser and its state.
  package let optimizer: Optimizer
  /// The digests of parameters and state from one update to the next.
  package let stateGuard: StateGuard
  /// Where steps are recorded, if anywhere.
  package var timeline: Timeline?
  /// What sums the gradients.
  package var reducer: GradientReducer { exchange.reducer }

  private var exchange: GradientExchange
  /// The memory of the passes; between steps it is free for evaluation.
  let activations: UNetActivations
  private let loss: any SegmentationLoss
  private let seed: UInt64
  let team: ThreadTeam
  private let clock = ContinuousClock()

  /// Plans the memory of steps on tiles of side `tile`, with at most `globalBatch` samples.
  ///
  /// - Precondition: the optimiser keeps the state of what the reducer gives this rank the sums of.
  package init(
    network: UNet, optimizer: Optimizer, tile: Int, globalBatch: Int,
    recomputation: Recomputation = .least, loss: any SegmentationLoss, clipNorm: Double,
    seed: UInt64, reducer: GradientReducer, communicator: any Communicator,
    team: ThreadTeam
  ) throws(AllocationError) {
    let own = reducer.owned(by: communicator.rank)
    precondition(optimizer.chunks == own, "state of \(optimizer.chunks), sums of \(own)")
    self.network = network
    self.optimizer = optimizer
    self.loss = loss
    self.seed = seed
    self.team = team
    let elementCount = network.layout.count
    parameters = try FloatBuffer(count: elementCount, for: "parameters")
    let accumulator = try GradientAccumulator(
      elementCount: elementCount, reduction: reducer.reduction, compression: reducer.compression,
      batchIndices: ShardedSampler.batchIndices(
        of: globalBatch, rank: communicator.rank, ranks: communicator.size),
      of: globalBatch)
    activations = try UNetActivations(
      network, height: tile, width: tile, training: true, threads: team.count,
      recomputation: recomputation,
      lossWorkspacePerRow: loss.workspacePerRow(classes: network.configuration.classes))
    let squares = GradientSquares(
      elementCount: elementCount, trainedCount: network.layout.trainedCount,
      chunks: (0..<communicator.size).map { reducer.owned(by: $0) })
    stateGuard = StateGuard(
      parameters, optimizer, layout: network.layout, isSharded: reducer.isSharded, team: team)
    exchange = GradientExchange(
      reducer: reducer, accumulator: accumulator,
      update: ParameterUpdate(
        parameters: parameters, optimizer: optimizer, clipNorm: clipNorm, squares: squares,
        stateGuard: stateGuard, team: team),
      communicator: communicator, team: team)
  }

  /// Sums the gradients by another reducer from now on, which makes the same sums at other times.
  ///
  /// - Precondition: between two steps.
  package func use(_ reducer: GradientReducer) { exchange = exchange.replacing(reducer) }

  /// Bytes of the activations and of workspace.
  package var activationByteCount: Int { activations.byteCount }

  /// Computes this rank's samples, sums the gradients over the ranks, and updates the parameters.
  ///
  /// The update is left out, on every rank alike, when the loss or the gradient is not finite, so
  /// the parameters stay those of the last good step; and when bits of them have changed by themselves.
  ///
  /// - Parameters:
  ///   - stop: tells the signal that has asked this rank for the end; all ranks hear of it with the losses.
  ///   - beforeUpdate: returns when parameters and state may change, of which a copy may still be taken.
  /// - Throws: `MPIError`; what `beforeUpdate` throws.
  package func run(
    _ batch: LoadedBatch, rate: Double, stop: @escaping () -> StopSignal? = { nil },
    beforeUpdate: @escaping () throws -> Void = {}
  ) throws -> Result {
    var seconds = StepRecord.Seconds()
    var start = clock.now
    func lap(_ part: String) -> Double {
      let now = clock.now
      defer { start = now }
      timeline?.add(part, from: start, to: now)
      return (now - start) / .seconds(1)
    }

    let number = batch.batch.step + 1
    try FaultPoint.forward.reach(step: number, stateGuard.buffers)
    exchange.begin(batch.batch, own: batch.batchIndices)
    let outputPixels = activations.logits.shape.pixels
    let scale = 1 / Float(batch.batch.samples.count * outputPixels)
    guard let logitsGradient = activations.logitsGradient else {
      preconditionFailure("a step needs activations for training")
    }
    var losses: [Double] = []
    for sample in batch.samples {
      team.begin("clear gradients")
      let gradients = try exchange.beginSample()
      seconds.backward += lap("clear gradients")
      let image = TensorView(base: sample.image, shape: activations.input)
      // A draw is told apart within its epoch, so the epoch keys its dropout.
      let dropout = DropoutKey(
        RandomStream(seed: seed, purpose: .dropout, epoch: sample.epoch, sample: sample.draw))
      network.forward(
        image, parameters: parameters.base, activations: activations, dropout: dropout,
        statistics: .sample, on: team)
      seconds.forward += lap("forward")
      team.begin("loss")
      losses.append(
        loss.lossAndGradient(
          logits: activations.logits, labels: sample.labels, weights: sample.weights,
          scale: scale, gradient: logitsGradient, workspace: activations.lossWorkspace, on: team))
      try FaultPoint.backward.reach(step: number, stateGuard.buffers)
      exchange.beginBackward()
      network.backward(
        image, parameters: parameters.base, activations: activations, gradients: gradients,
        dropped: true, sampleShare: 1 / Float(batch.batch.samples.count), on: team,
        ready: exchange.declareFinal)
      exchange.endSample()
      seconds.backward += lap("backward")
    }
    team.begin("update")
    let sums = try exchange.finish(
      losses: losses, rate: rate, timeline: timeline, stop: stop, beforeUpdate: beforeUpdate)
    seconds.reduce = reducer.seconds
    seconds.update = max(0, lap("exchange and update") - reducer.seconds)
    if !reducer.isSharded { timeline?.add("sum", reducer.times) }
    return Result(
      loss: sums.losses.reduce(0, +) / Double(sums.losses.count * outputPixels),
      gradientNorm: sums.norm,
      brokenBatchIndices: sums.losses.indices.filter { !sums.losses[$0].isFinite },
      isDamaged: sums.isDamaged,
      seconds: seconds, sentByteCount: reducer.sentByteCount, stop: sums.stop)
  }
}
