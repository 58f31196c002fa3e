// The benchmark of a training step.

package import Communication
import Datasets
import Files
import Kernels
import Network
import Tensors
import Threading
import Training

/// The trainer's own step on made-up samples, with SGD and momentum.
///
/// Forward, loss, backward, reduction over the ranks, norm of the gradient and update; no loading.
/// The work counted is three times that of the forward pass. The first layer's input needs no
/// gradient, which is not taken off.
package enum StepBenchmark {
  /// Measures steps; the report counts on rank 0 only.
  ///
  /// - Parameter measuresHidden: whether also to measure how much of the exchange is hidden.
  package static func run(
    _ setting: BenchmarkSetting, _ exchange: ExchangeSetting, measuresHidden: Bool = false,
    _ communicator: any Communicator
  ) throws -> BenchmarkReport {
    let measurement = BenchmarkMeasurement(communicator)
    let measured = try MeasuredSteps(
      setting, exchange, measuresHidden: measuresHidden, measurement, communicator)
    let ranks = try RankSeconds.gather(measured.ownMedians, communicator)
    let summary = UNetSummary(setting.network, height: setting.tile, width: setting.tile)
    var report = BenchmarkReport(
      name: "step", setting: setting, ranks: communicator.size,
      seconds: measured.slowest.map(\.whole),
      multiplyAdds: 3 * summary.multiplyAdds * setting.batch * communicator.size,
      peakByteCount: try measurement.peakByteCount())
    var table = TextTable(["part of a step, slowest rank", "median", "share"])
    func share(_ seconds: Double, decimals: Int) -> String {
      "\((100 * seconds / median(report.seconds)).decimals(decimals)) %"
    }
    var fields: [(name: String, value: JSONValue)] = []
    for (name, seconds) in MeasuredStep.parts {
      let seconds = median(measured.slowest.map { $0[keyPath: seconds] })
      table.add([name, "\(seconds.decimals(4)) s", share(seconds, decimals: 1)])
      fields.append((name, .number(seconds)))
    }
    report.details = [
      ("median_part_seconds", .object(fields)),
      ("global_batch", .integer(setting.batch * communicator.size)),
      ("reduction", .text(exchange.reduction.rawValue)),
      ("compression", .text(exchange.compression.rawValue)),
      ("overlap", .text(exchange.overlap.rawValue)),
      ("shard_optimizer", .boolean(exchange.isSharded)),
      ("sent_bytes", .integer(measured.sentByteCount)),
    ]
    if communicator.size > 1 {
      let check = median(measured.slowest.map(\.replicaCheck))
      table.add([
        "check of replicas, beside the step", "\(check.decimals(4)) s", share(check, decimals: 2),
      ])
      table.add(["slowest rank", "\(ranks.slowest)", ""])
      report.details += [
        ("replica_check_seconds", .number(check)),
        ("slowest_rank", .integer(ranks.slowest)),
        (
          "rank_part_seconds",
          .list(
            ranks.ranks.map { .object($0.parts.dropFirst().map { ($0.name, .number($0.seconds)) }) }
          )
        ),
      ]
    }
    if measuresHidden {
      let hidden = ExchangeHidden(measured.slowest)
      report.details.append(("exchange", hidden.json))
      for row in hidden.rows { table.add(row) }
    }
    report.detailText = table.text
    return report
  }
}

// MARK: - Measuring

/// The seconds of one repetition, those of the slowest rank or of this one.
private struct MeasuredStep {
  /// The whole step.
  var whole: Double
  var forward: Double
  var backward: Double
  var reduce: Double
  var update: Double
  /// The check of replicas after the step.
  var replicaCheck: Double
  /// A step that exchanges after its backward pass: in all, to compute, and its backward pass; 0
  /// where that is not measured.
  var apartWhole = 0.0
  var apartComputing = 0.0
  var apartBackward = 0.0

  /// The parts of a step, in the order of time.
  static var parts: [(name: String, seconds: KeyPath<MeasuredStep, Double>)] {
    [
      ("forward", \.forward), ("backward", \.backward), ("reduce", \.reduce), ("update", \.update),
    ]
  }

  /// All numbers, to be compared between ranks.
  var values: [Double] {
    [
      whole, forward, backward, reduce, update, replicaCheck, apartWhole, apartComputing,
      apartBackward,
    ]
  }

  init(values: [Double]) {
    (whole, forward, backward) = (values[0], values[1], values[2])
    (reduce, update, replicaCheck) = (values[3], values[4], values[5])
    (apartWhole, apartComputing, apartBackward) = (values[6], values[7], values[8])
  }

  init(whole: Double, parts: StepRecord.Seconds, replicaCheck: Double) {
    (self.whole, self.replicaCheck) = (whole, replicaCheck)
    (forward, backward) = (parts.forward, parts.backward)
    (reduce, update) = (parts.reduce, parts.update)
  }
}

/// Repetitions of a step.
private struct MeasuredSteps {
  /// Of each repetition the largest seconds of any rank.
  let slowest: [MeasuredStep]
  /// The medians of this rank's own.
  let ownMedians: StepRecord.Seconds
  /// The bytes that this rank has sent in a step.
  let sentByteCount: Int

  init(
    _ setting: BenchmarkSetting, _ exchange: ExchangeSetting, measuresHidden: Bool,
    _ measurement: BenchmarkMeasurement, _ communicator: any Communicator
  ) throws {
    let team = setting.team()
    let layout = setting.network.layout
    func makeReducer(_ overlap: Overlap) -> GradientReducer {
      GradientReducer(
        communicator: communicator, buckets: GradientBuckets(elementCount: layout.count),
        reduction: exchange.reduction, compression: exchange.compression, overlap: overlap,
        isSharded: exchange.isSharded)
    }
    let reducer = makeReducer(exchange.overlap)
    let reducerAfterwards = measuresHidden ? makeReducer(.off) : nil
    let step = try TrainingStep(
      network: setting.network,
      optimizer: try Optimizer(
        kind: .sgd, momentum: 0.99, weightDecay: 0, layout: layout,
        chunks: reducer.owned(by: communicator.rank)),
      tile: setting.tile, globalBatch: setting.batch * communicator.size,
      loss: SoftmaxCrossEntropy(), clipNorm: 0, seed: 0, reducer: reducer,
      communicator: communicator, team: team)
    setting.network.initialize(step.parameters.base, seed: 0, on: team)
    let batch = try setting.madeUpBatch(rank: communicator.rank, ranks: communicator.size)
    let replicas = ReplicaCheck(step.stateGuard, communicator: communicator)
    func measureStep(_ reducer: GradientReducer) throws -> (whole: Double, StepRecord.Seconds) {
      step.use(reducer)
      var parts = StepRecord.Seconds()
      // A rate so small that noise for data does not make the weights overflow.
      let whole = try measurement.seconds { parts = try step.run(batch, rate: 1e-5).seconds }
      return (whole, parts)
    }
    let own = try measurement.repetitions(setting) {
      // In turn, so that whatever else the machine does meets both alike.
      let apart = try reducerAfterwards.map { try measureStep($0) }
      if apart != nil { try communicator.barrier() }
      let (whole, parts) = try measureStep(reducer)
      // Whoever waits for the end of another's step waits for that, and not for the check.
      try communicator.barrier()
      let check = try measurement.seconds {
        _ = try replicas.compare(step: 0)
      }
      var measured = MeasuredStep(whole: whole, parts: parts, replicaCheck: check)
      if let (whole, parts) = apart {
        measured.apartWhole = whole
        measured.apartComputing = parts.forward + parts.backward + parts.update
        measured.apartBackward = parts.backward
      }
      return measured.values
    }
    func medianOfOwn(_ part: KeyPath<MeasuredStep, Double>) -> Double {
      median(own.map { MeasuredStep(values: $0)[keyPath: part] })
    }
    ownMedians = StepRecord.Seconds(
      forward: medianOfOwn(\.forward), backward: medianOfOwn(\.backward),
      reduce: medianOfOwn(\.reduce), update: medianOfOwn(\.update))
    slowest = try measurement.largest(own).map { MeasuredStep(values: $0) }
    sentByteCount = reducer.sentByteCount
  }
}

/// How much of the exchange is hidden behind what is computed, each a median of repetitions.
///
/// The time by which a step takes longer than its computation by itself is not hidden: the time for which
/// ranks wait for the exchange, and that by which the exchange delays what is computed beside it.
private struct ExchangeHidden {
  /// Seconds of the exchange by itself, and of the backward pass by itself.
  let exchange, backward: Double
  /// Seconds that are not hidden, and their share of the step.
  let exposed, exposedShare: Double

  init(_ steps: [MeasuredStep]) {
    exchange = median(steps.map { $0.apartWhole - $0.apartComputing })
    backward = median(steps.map(\.apartBackward))
    exposed = median(steps.map { $0.whole - $0.apartComputing })
    exposedShare = median(steps.map { ($0.whole - $0.apartComputing) / $0.whole })
  }

  var json: JSONValue {
    [
      "alone_seconds": .number(exchange), "backward_alone_seconds": .number(backward),
      "exposed_seconds": .number(exposed), "exposed_share": .number(exposedShare),
    ]
  }

  var rows: [[String]] {
    [
      [
        "exchange by itself", "\(exchange.decimals(4)) s",
        "\((100 * exchange / backward).decimals(0)) % of the backward pass",
      ],
      [
        "not hidden", "\(exposed.decimals(4)) s", "\((100 * exposedShare).decimals(1)) %",
      ],
    ]
  }
}

extension BenchmarkSetting {
  /// This rank's shard of a global batch of made-up tiles.
  func madeUpBatch(rank: Int, ranks: Int) throws -> LoadedBatch {
    let configuration = network.configuration
    let side = configuration.outputSide(tile: tile) ?? tile
    let sampler = try ShardedSampler(
      samples: Array(0..<batch * ranks), globalBatch: batch * ranks, seed: 0)
    let global = sampler.batch(step: 0)
    let batchIndices = global.batchIndices(rank: rank, ranks: ranks)
    let samples = try batchIndices.map { _ in
      let buffer = SampleBuffer(
        tile: TileShape(inputSide: tile, outputSide: side), channels: configuration.inputChannels)
      let image = try BenchmarkData.normal(count: buffer.imageCount)
      buffer.image.initialize(from: image.base, count: buffer.imageCount)
      let labels = BenchmarkData.labels(count: buffer.labelCount, classes: configuration.classes)
      buffer.labels.initialize(from: labels, count: buffer.labelCount)
      return buffer
    }
    return LoadedBatch(batch: global, batchIndices: batchIndices, samples: samples)
  }
}
