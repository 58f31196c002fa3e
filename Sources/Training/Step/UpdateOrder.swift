// Orders of waiting for sums and updating parameters.

import Communication
import Datasets
import Kernels
import Liveness
import Tensors
import Threading

/// The update of parameters by the sums of gradients, a range at a time.
struct ParameterUpdate {
  let parameters: FloatBuffer
  let optimizer: Optimizer
  /// The largest norm of a gradient that is not scaled down; 0 for none.
  let clipNorm: Double
  /// The sum of squares of each block of the gradient.
  let squares: GradientSquares
  let stateGuard: StateGuard
  let team: ThreadTeam

  /// The parameters for each thread that are updated at once, so that they and their state are still in caches when
  /// their digests are made.
  private static let cachedCount = 1 << 16

  /// Updates `range` of the parameters, for a gradient of this norm.
  func apply(_ range: Range<Int>, _ step: UpdateStep, norm: Double) {
    let clips = clipNorm > 0 && norm > clipNorm
    let count = Self.cachedCount * team.parallelism
    for start in stride(from: range.lowerBound, to: range.upperBound, by: count) {
      let part = start..<min(start + count, range.upperBound)
      optimizer.update(
        parameters, gradients: step.gradients, range: part,
        gradientScale: clips ? Float(clipNorm / norm) : 1, rate: step.rate,
        update: step.batch.step + 1, on: team)
      stateGuard.renew(part)
    }
  }
}

/// The step that an update belongs to, on one rank.
struct UpdateStep {
  let batch: ShardedSampler.Batch
  /// The summed loss of each of this rank's samples.
  let losses: [Double]
  /// Whether no sum of this rank's partial sums and the others' can overflow, if theirs are small too.
  let areSmall: Bool
  /// Whether bits of this rank's parameters or state have changed since the last update.
  let isDamaged: Bool
  /// The buffer that holds the sums over the ranks.
  let gradients: FloatBuffer
  let rate: Double
  let reducer: GradientReducer
  let rank: Int
  let ranks: Int
  let timeline: Timeline?
  /// The signal that has asked this rank for the end so far.
  let stop: () -> StopSignal?
  /// Returns when this rank's parameters and state may change.
  let beforeUpdate: () throws -> Void

  /// What every rank says of its part of the step, in rank order; collective.
  ///
  /// No rank changes parameters before it has heard all others, so none does before all of them may.
  func reports(squares: [Double] = []) throws -> RankReports {
    try beforeUpdate()
    let most = (0..<ranks).map { batch.batchIndices(rank: $0, ranks: ranks).count }.max() ?? 0
    let report = RankReports.Report(
      losses: losses, areSmall: areSmall, isDamaged: isDamaged, stop: stop(), squares: squares)
    let gathered = try reducer.gather(report.values(lossCount: most))
    return RankReports(
      reports: gathered.enumerated().map { rank, values in
        RankReports.Report(
          values, lossCount: batch.batchIndices(rank: rank, ranks: ranks).count, most: most)
      })
  }
}

/// The reports of all ranks on a step.
struct RankReports {
  /// The report of one rank.
  struct Report: Equatable {
    /// The summed loss of each of its samples.
    let losses: [Double]
    /// See `UpdateStep.areSmall`.
    let areSmall: Bool
    /// See `UpdateStep.isDamaged`.
    let isDamaged: Bool
    /// The signal that has asked it for the end.
    let stop: StopSignal?
    /// Sums of squares of the blocks that it owns.
    let squares: [Double]

    init(
      losses: [Double], areSmall: Bool, isDamaged: Bool, stop: StopSignal?, squares: [Double]
    ) {
      self.losses = losses
      self.areSmall = areSmall
      self.isDamaged = isDamaged
      self.stop = stop
      self.squares = squares
    }

    /// The report as numbers, as many on every rank: the losses up to `lossCount`, then the others.
    func values(lossCount: Int) -> [Double] {
      losses + [Double](repeating: 0, count: lossCount - losses.count) + [Double(flags)] + squares
    }

    /// All that is no measure in one number, so that being asked for the end costs no bytes.
    private var flags: Int32 {
      (areSmall ? 1 : 0) + (isDamaged ? 2 : 0) + 4 * (stop?.rawValue ?? 0)
    }

    /// The report of a rank with `lossCount` samples, where the most that any rank has are `most`.
    init(_ values: [Double], lossCount: Int, most: Int) {
      losses = Array(values.prefix(lossCount))
      let flags = Int32(values[most])
      areSmall = flags & 1 == 1
      isDamaged = flags & 2 == 2
      stop = StopSignal(rawValue: flags / 4)
      squares = Array(values.dropFirst(most + 1))
    }
  }

  /// By rank.
  let reports: [Report]

  /// The losses of all samples of the global batch, in order.
  var losses: [Double] { reports.flatMap(\.losses) }
  /// Whether no sum over the ranks can overflow.
  var areSmall: Bool { reports.allSatisfy(\.areSmall) }
  /// Whether bits have changed on any rank.
  var isDamaged: Bool { reports.contains(where: \.isDamaged) }
  /// The signal by which the first rank that was asked for the end was; the same on every rank.
  var stop: StopSignal? { reports.lazy.compactMap(\.stop).first }
}

/// An order of waiting for sums and updating parameters.
protocol UpdateOrder {
  /// Whether it wants to know that no sum over the ranks can overflow, which costs a look at all
  /// partial sums.
  var needsSmallSums: Bool { get }

  /// Reduces what is not yet reduced, and updates the parameters unless a loss or the gradient is
  /// not finite, or a rank's bits have changed; collective.
  func run(_ step: UpdateStep, _ update: ParameterUpdate) throws -> GradientExchange.Sums
}

/// Waits for all sums, then updates everything.
struct WholeUpdateOrder: UpdateOrder {
  let needsSmallSums = false

  func run(_ step: UpdateStep, _ update: ParameterUpdate) throws -> GradientExchange.Sums {
    try step.reducer.finish()
    return finish(step, update, try step.reports())
  }

  /// Updates everything by sums that are all there.
  func finish(
    _ step: UpdateStep, _ update: ParameterUpdate, _ reports: RankReports
  ) -> GradientExchange.Sums {
    let whole = 0..<step.gradients.count
    update.squares.add(step.gradients, whole, on: update.team)
    let sums = GradientExchange.Sums(
      losses: reports.losses, norm: update.squares.norm, isDamaged: reports.isDamaged,
      stop: reports.stop)
    if sums.allowUpdate { update.apply(whole, step, norm: sums.norm) }
    return sums
  }
}

/// Updates every bucket as soon as it is summed, while others are still in flight; for updates that
/// need no norm.
///
/// No weight may change when any gradient turns out not to be finite, and the last bucket comes
/// last. But what the ranks have computed is known when the backward passes have ended: where all
/// partial sums are so small that no sum of them can overflow, all sums will be finite. The ranks
/// tell each other so together with the losses; otherwise the update waits for all sums.
struct BucketUpdateOrder: UpdateOrder {
  let needsSmallSums = true

  func run(_ step: UpdateStep, _ update: ParameterUpdate) throws -> GradientExchange.Sums {
    let reducer = step.reducer
    reducer.reduce(from: 0)
    let reports = try step.reports()
    let losses = reports.losses
    guard reports.areSmall, !reports.isDamaged, losses.allSatisfy(\.isFinite) else {
      try reducer.finish()
      return WholeUpdateOrder().finish(step, update, reports)
    }
    for (bucket, range) in reducer.buckets.ranges.enumerated() {
      try reducer.wait(forBucket: bucket)
      update.squares.add(step.gradients, range, on: update.team)
      update.apply(range, step, norm: 0)
    }
    try reducer.finish()
    return GradientExchange.Sums(
      losses: losses, norm: update.squares.norm, isDamaged: false, stop: reports.stop)
  }
}

/// Updates the parameters that this rank owns, then gathers those of all ranks (ZeRO stage 1).
struct ShardedUpdateOrder: UpdateOrder {
  let needsSmallSums = false

  func run(_ step: UpdateStep, _ update: ParameterUpdate) throws -> GradientExchange.Sums {
    let (reducer, squares) = (step.reducer, update.squares)
    try reducer.finish()
    step.timeline?.add("sum", reducer.times)
    for chunk in update.optimizer.chunks { squares.add(step.gradients, chunk, on: update.team) }
    let reports = try step.reports(squares: squares.blocks(of: step.rank))
    for (rank, report) in reports.reports.enumerated() {
      squares.setBlocks(of: rank, report.squares)
    }
    let sums = GradientExchange.Sums(
      losses: reports.losses, norm: squares.norm, isDamaged: reports.isDamaged,
      stop: reports.stop)
    guard sums.allowUpdate else { return sums }
    reducer.beginGather(of: update.parameters.floats)
    for bucket in reducer.buckets.ranges.indices {
      update.apply(
        reducer.owned(inBucket: bucket, by: step.rank), step, norm: sums.norm)
      reducer.gather(throughBucket: bucket)
    }
    try reducer.finishGather()
    update.stateGuard.renewWeights()
    step.timeline?.add("gather", reducer.times)
    return sums
  }
}
