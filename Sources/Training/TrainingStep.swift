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
public final class TrainingStep {
  /// What a step found, equal on all ranks but for the seconds.
  public struct Result: Sendable {
    /// The loss over the global batch, before the update.
    public var loss: Double
    /// The Euclidean norm of the whole gradient, before clipping.
    public var gradientNorm: Double
    /// The places of the global batch whose own loss is not finite.
    public var brokenPlaces: [Int]
    /// Where the time went on this rank, loading excepted.
    public var seconds: StepRecord.Seconds
  }

  /// The network.
  public let network: UNet
  /// The parameters, updated in place.
  public let parameters: FloatBuffer
  /// The optimiser and its state.
  public let optimizer: Optimizer

  private let partialSums: PartialSums
  /// The memory of the passes; between steps it is free for evaluation.
  let activations: UNetActivations
  private let classWeights: [Float]?
  private let clipNorm: Double
  private let seed: UInt64
  private let communicator: any Communicator
  private let reducer: GradientReducer
  private let team: ThreadTeam
  /// The loss of each of this rank's places, and of all ranks' places in rank order.
  private var ownLosses: [Double]
  private var allLosses: [Double]
  private var normScratch: [Double]
  private let clock = ContinuousClock()

  /// Plans the memory of steps on tiles of side `tile`, with at most `globalBatch` samples.
  public init(
    network: UNet, optimizer: Optimizer, tile: Int, globalBatch: Int, classWeights: [Float]?,
    clipNorm: Double, seed: UInt64, reduction: Reduction = .tree,
    bucketByteCount: Int = GradientBuckets.defaultByteCount, communicator: any Communicator,
    team: ThreadTeam
  ) {
    self.network = network
    self.optimizer = optimizer
    self.classWeights = classWeights
    self.clipNorm = clipNorm
    self.seed = seed
    self.communicator = communicator
    self.team = team
    parameters = FloatBuffer(count: network.layout.count)
    partialSums = PartialSums(
      elementCount: network.layout.count, reduction: reduction,
      places: ShardedSampler.places(
        of: globalBatch, rank: communicator.rank, ranks: communicator.size),
      of: globalBatch)
    activations = UNetActivations(
      network, height: tile, width: tile, training: true, threads: team.count)
    reducer = GradientReducer(
      communicator: communicator,
      buckets: GradientBuckets(elementCount: network.layout.count, byteCount: bucketByteCount),
      reduction: reduction)
    let share = (globalBatch + communicator.size - 1) / communicator.size
    ownLosses = [Double](repeating: 0, count: share)
    allLosses = [Double](repeating: 0, count: share * communicator.size)
    normScratch = [Double](
      repeating: 0, count: VectorSums.scratchCount(network.layout.count))
  }

  /// Bytes of the activations and of scratch memory.
  public var activationByteCount: Int { activations.byteCount }

  /// Computes this rank's samples, sums the gradients over the ranks, and updates the parameters.
  ///
  /// The update is left out, on every rank alike, when the loss or the gradient is not finite, so
  /// the parameters stay those of the last good step.
  ///
  /// - Throws: `MPIError`.
  public func run(_ batch: LoadedBatch, rate: Double) throws -> Result {
    var seconds = StepRecord.Seconds()
    var start = clock.now
    func lap() -> Double {
      let now = clock.now
      defer { start = now }
      return (now - start) / .seconds(1)
    }

    partialSums.begin(places: batch.places, of: batch.batch.samples.count)
    let outputPixels = activations.logits.shape.pixels
    let scale = 1 / Float(batch.batch.samples.count * outputPixels)
    for (index, sample) in batch.samples.enumerated() {
      let gradients = partialSums.beginSample(on: team)
      seconds.backward += lap()
      let image = TensorView(base: sample.image, shape: activations.input)
      // A draw is told apart within its epoch, so the epoch is the moment of its dropout.
      let dropout = DropoutKey(
        RandomStream(seed: seed, purpose: .dropout, moment: sample.epoch, sample: sample.draw))
      network.forward(
        image, parameters: parameters.base, activations: activations, dropout: dropout, on: team)
      seconds.forward += lap()
      guard let logitsGradient = activations.logitsGradient else { continue }
      ownLosses[index] = SoftmaxCrossEntropy.lossAndGradient(
        logits: activations.logits, labels: sample.labels, classWeights: classWeights,
        scale: scale, gradient: logitsGradient, rowSums: activations.rowSums, on: team)
      let isLast = index == batch.samples.count - 1
      if isLast { beginReduction(of: partialSums.sumsAfterSample, batch.batch) }
      var finalOffset = partialSums.elementCount
      network.backward(
        image, parameters: parameters.base, activations: activations, gradients: gradients,
        dropped: true, on: team
      ) { offset in
        partialSums.add(offset..<finalOffset, on: team)
        finalOffset = offset
        if isLast { reducer.reduce(from: offset) }
      }
      partialSums.add(0..<finalOffset, on: team)
      partialSums.endSample()
      seconds.backward += lap()
    }
    if batch.samples.isEmpty { beginReduction(of: partialSums.sums, batch.batch) }
    try reducer.finish()
    let losses = try gatherLosses(batch.batch)
    seconds.reduce = reducer.seconds
    seconds.backward = max(0, seconds.backward - reducer.seconds)
    _ = lap()

    let loss = losses.reduce(0, +) / Double(losses.count * outputPixels)
    let gradients = partialSums.sums[0]
    let squares = VectorSums.squares(
      gradients.base, count: gradients.count, scratch: &normScratch, on: team)
    let norm = squares.squareRoot()
    if loss.isFinite && norm.isFinite {
      let clips = clipNorm > 0 && norm > clipNorm
      optimizer.update(
        parameters, gradients: gradients, gradientScale: clips ? Float(clipNorm / norm) : 1,
        rate: rate, update: batch.batch.step + 1, on: team)
    }
    seconds.update = lap()
    return Result(
      loss: loss, gradientNorm: norm,
      brokenPlaces: losses.indices.filter { !losses[$0].isFinite }, seconds: seconds)
  }

  private func beginReduction(of sums: [FloatBuffer], _ batch: ShardedSampler.Batch) {
    let ranks = communicator.size
    reducer.begin(
      sums.map(\.floats), shares: (0..<ranks).map { batch.places(rank: $0, ranks: ranks) })
  }

  /// The summed loss of every place of the global batch, in order, on every rank.
  private func gatherLosses(_ batch: ShardedSampler.Batch) throws -> [Double] {
    let share = ownLosses.count
    try ownLosses.withUnsafeBytes { own in
      try allLosses.withUnsafeMutableBytes { all in
        try communicator.allGather(own, into: all)
      }
    }
    return (0..<communicator.size).flatMap { rank in
      let places = batch.places(rank: rank, ranks: communicator.size)
      return (0..<places.count).map { allLosses[rank * share + $0] }
    }
  }
}
