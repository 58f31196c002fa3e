// The benchmark of a training step.

import Communication
import Datasets
import Files
import Kernels
import Network
import Threading
import Training

/// The trainer's own step on made-up samples, with SGD and momentum.
///
/// Forward, loss, backward, reduction over the ranks, norm of the gradient and update; no loading.
/// The work counted is three times that of the forward pass. The first layer's input needs no
/// gradient, which is not taken off.
package enum StepBenchmark {
  /// The parts of a step that are measured, in the order of time.
  private static let parts = ["forward", "backward", "reduce", "update"]

  /// Measures steps; the report counts on rank 0 only.
  ///
  /// - Parameter measuresHidden: whether also to measure how much of the exchange is hidden.
  package static func run(
    _ setting: BenchmarkSetting, _ exchange: ExchangeSetting, measuresHidden: Bool = false,
    _ communicator: any Communicator
  ) throws -> BenchmarkReport {
    let measurement = BenchmarkMeasurement(communicator)
    let team = ThreadTeam(count: setting.threads)
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
        slices: reducer.owned(by: communicator.rank)),
      tile: setting.tile, globalBatch: setting.batch * communicator.size,
      loss: SoftmaxCrossEntropy(),
      clipNorm: 0, seed: 0, reducer: reducer, communicator: communicator, team: team)
    setting.network.initialize(step.parameters.base, seed: 0, on: team)
    let summary = UNetSummary(setting.network, height: setting.tile, width: setting.tile)
    let batch = try setting.madeUpBatch(rank: communicator.rank, ranks: communicator.size)
    let replicas = ReplicaCheck(
      elementCount: layout.count, communicator: communicator, team: team)
    /// Seconds of a step, and of its parts.
    func measureStep(_ reducer: GradientReducer) throws -> (whole: Double, StepRecord.Seconds) {
      step.use(reducer)
      var parts = StepRecord.Seconds()
      // A rate so small that noise for data does not make the weights overflow.
      let whole = try measurement.seconds { parts = try step.run(batch, rate: 1e-5).seconds }
      return (whole, parts)
    }
    let own = try measurement.repetitions(setting) {
      // In turn, so that whatever else the machine does meets both alike.
      var apart: [Double] = []
      if let reducerAfterwards {
        let (whole, parts) = try measureStep(reducerAfterwards)
        apart = [whole, parts.forward + parts.backward + parts.update, parts.backward]
        try communicator.barrier()
      }
      let (whole, parts) = try measureStep(reducer)
      // Whoever waits for the end of another's step waits for that, and not for the check.
      try communicator.barrier()
      let check = try measurement.seconds {
        try replicas.verify([("weights", step.parameters)], step: 0)
      }
      return [whole, parts.forward, parts.backward, parts.reduce, parts.update, check] + apart
    }
    let ranks = try RankSeconds.gather(medianParts(own), communicator)
    // Each repetition: the whole step, then its parts, then the check of replicas after it, then
    // what a step takes in all, to compute, and for its backward pass that exchanges afterwards.
    let slowest = try measurement.largest(own)
    var report = BenchmarkReport(
      name: "step", setting: setting, ranks: communicator.size, seconds: slowest.map { $0[0] },
      multiplyAdds: 3 * summary.multiplyAdds * setting.batch * communicator.size,
      peakByteCount: try measurement.peakByteCount())
    var table = TextTable(["part of a step, slowest rank", "median", "share"])
    var fields: [(name: String, value: JSONValue)] = []
    for (index, part) in parts.enumerated() {
      let seconds = median(slowest.map { $0[index + 1] })
      table.add([
        part, "\(seconds.decimals(4)) s",
        "\((100 * seconds / median(report.seconds)).decimals(1)) %",
      ])
      fields.append((part, .number(seconds)))
    }
    report.details = [
      ("median_part_seconds", .object(fields)),
      ("global_batch", .integer(setting.batch * communicator.size)),
      ("reduction", .text(exchange.reduction.rawValue)),
      ("compression", .text(exchange.compression.rawValue)),
      ("overlap", .text(exchange.overlap.rawValue)),
      ("shard_optimizer", .boolean(exchange.isSharded)),
      ("sent_bytes", .integer(reducer.sentByteCount)),
    ]
    if communicator.size > 1 {
      let check = median(slowest.map { $0[parts.count + 1] })
      table.add([
        "check of replicas, beside the step", "\(check.decimals(4)) s",
        "\((100 * check / median(report.seconds)).decimals(2)) %",
      ])
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
      table.add(["slowest rank", "\(ranks.slowest)", ""])
    }
    if measuresHidden {
      let hidden = ExchangeHidden(slowest.map { ($0[0], apart: Array($0.suffix(3))) })
      report.details.append(("exchange", hidden.json))
      for row in hidden.rows { table.add(row) }
    }
    report.detailText = table.text
    return report
  }

  /// The parts of a step on this rank, each the median of the repetitions.
  private static func medianParts(_ own: [[Double]]) -> StepRecord.Seconds {
    func part(_ index: Int) -> Double { median(own.map { $0[index] }) }
    return StepRecord.Seconds(
      forward: part(1), backward: part(2), reduce: part(3), update: part(4))
  }
}

/// How much of the exchange is hidden behind what is computed, each a median of repetitions.
///
/// What a step takes longer than what it computes takes by itself is not hidden: the time for which
/// ranks wait for the exchange, and that by which the exchange delays what is computed beside it.
private struct ExchangeHidden {
  /// Seconds of the exchange by itself, and of the backward pass by itself.
  let exchange, backward: Double
  /// Seconds that are not hidden, and their share of the step.
  let exposed, exposedShare: Double

  /// From the seconds of steps, each with those of one that exchanges after it has computed: in all,
  /// to compute, and for its backward pass.
  init(_ steps: [(whole: Double, apart: [Double])]) {
    exchange = median(steps.map { $0.apart[0] - $0.apart[1] })
    backward = median(steps.map { $0.apart[2] })
    exposed = median(steps.map { $0.whole - $0.apart[1] })
    exposedShare = median(steps.map { ($0.whole - $0.apart[1]) / $0.whole })
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
  /// This rank's share of a global batch of made-up tiles.
  fileprivate func madeUpBatch(rank: Int, ranks: Int) throws -> LoadedBatch {
    let configuration = network.configuration
    let side = configuration.outputSide(tile: tile) ?? tile
    let sampler = try ShardedSampler(
      samples: Array(0..<batch * ranks), globalBatch: batch * ranks, seed: 0)
    let global = sampler.batch(step: 0)
    let places = global.places(rank: rank, ranks: ranks)
    let samples = try places.map { _ in
      let buffer = SampleBuffer(
        tile: TileShape(inputSide: tile, outputSide: side), channels: configuration.inputChannels)
      let image = try BenchmarkData.normal(count: buffer.imageCount)
      buffer.image.initialize(from: image.base, count: buffer.imageCount)
      let labels = BenchmarkData.labels(count: buffer.labelCount, classes: configuration.classes)
      buffer.labels.initialize(from: labels, count: buffer.labelCount)
      return buffer
    }
    return LoadedBatch(batch: global, places: places, samples: samples)
  }
}
