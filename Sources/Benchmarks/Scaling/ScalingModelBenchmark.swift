// The model of a step on many ranks, from what a few measure, and what it predicts.

package import Communication
package import Files
import Network
import Tensors

/// Measures computation and network on the spot, and predicts steps on up to 4,096 ranks.
package struct ScalingModelBenchmark {
  /// What the model stands on.
  package let computation: ScalingModel.Computation
  package let network: ScalingModel.Network
  /// Whether the network was measured, and not given.
  package let isMeasured: Bool
  package let overlaps: Bool
  package let threads: Int
  package let samples: Int
  /// The step on the ranks that have measured; nil for one.
  package let here: ScalingModel.Prediction?
  /// Steps on every power of two of ranks.
  package let predictions: [ScalingModel.Prediction]

  private static let largestRanks = 4096

  /// Measures on all ranks; the result counts on rank 0 only.
  ///
  /// - Parameter given: a network that is not there; nil to measure the one between the ranks.
  package init(
    _ setting: BenchmarkSetting, overlap: Overlap, given: ScalingModel.Network?,
    _ communicator: any Communicator
  ) throws {
    let buckets = GradientBuckets(elementCount: setting.network.layout.count)
    let passes = try ModelledPasses(setting)
    let own = RankCosts(try passes.measure(setting, buckets, communicator))
    computation = try RankCosts.slowest(own, communicator).computation(samples: setting.batch)
    network =
      try given
      ?? ModelledExchange(passes, buckets: buckets, overlap: overlap, communicator).network(
        setting)
    isMeasured = given == nil
    overlaps = overlap != .off
    threads = setting.threads
    samples = setting.batch
    let model = ScalingModel(
      computation: computation, network: network, buckets: buckets, samples: setting.batch,
      overlaps: overlaps)
    here = communicator.size > 1 ? model.prediction(ranks: communicator.size) : nil
    var ranks = 1
    var predictions: [ScalingModel.Prediction] = []
    while ranks <= Self.largestRanks {
      predictions.append(model.prediction(ranks: ranks))
      ranks *= 2
    }
    self.predictions = predictions
  }

  // MARK: Reports

  /// The model and its predictions as JSON.
  package var json: JSONValue {
    func object(_ prediction: ScalingModel.Prediction) -> JSONValue {
      [
        "ranks": .integer(prediction.ranks), "step_seconds": .number(prediction.seconds),
        "exposed_seconds": .number(prediction.exposed),
        "straggle_seconds": .number(prediction.straggle),
        "efficiency": .number(prediction.efficiency),
        "sent_bytes": .integer(prediction.sentByteCount),
      ]
    }
    return [
      "benchmark": "scaling-model", "is_model": .boolean(true), "threads": .integer(threads),
      "batch": .integer(samples), "overlaps": .boolean(overlaps),
      "computation": [
        "before_seconds": .number(computation.before),
        "backward_seconds": .number(computation.backward),
        "update_seconds": .number(computation.update), "jitter": .number(computation.jitter),
      ],
      "network": [
        "is_measured": .boolean(isMeasured), "latency_seconds": .number(network.latency),
        "bytes_per_second": .number(1 / network.secondsPerByte),
        "bytes_per_second_beside": .number(1 / network.secondsPerByteBeside),
        "delay_seconds_per_byte": .number(network.delayPerByte),
      ],
      "here": here.map(object) ?? .null, "predictions": .list(predictions.map(object)),
    ]
  }

  /// The model and its predictions for people.
  package var text: String {
    var measured = TextTable([isMeasured ? "measured here" : "measured here, network given", ""])
    let gigabits = [network.secondsPerByte, network.secondsPerByteBeside].map { 8e-9 / $0 }
    for (name, value) in [
      ("before the last backward pass", "\(computation.before.decimals(4)) s"),
      ("backward pass", "\(computation.backward.decimals(4)) s"),
      ("update", "\(computation.update.decimals(4)) s"),
      ("jitter", "\((100 * computation.jitter).decimals(1)) %"),
      ("latency", "\((1e6 * network.latency).decimals(1)) us"),
      ("bandwidth, both ways at once", "\(gigabits[0].decimals(3)) Gbit/s"),
      ("the same beside a backward pass", "\(gigabits[1].decimals(3)) Gbit/s"),
      ("delay of that by a gigabyte", "\((1e9 * network.delayPerByte).decimals(3)) s"),
      ("tiles a rank, threads a rank", "\(samples), \(threads)"),
      ("exchange beside the backward pass", overlaps ? "yes" : "no"),
    ] {
      measured.add([name, value])
    }
    var table = TextTable(["ranks", "s a step", "exchange s", "straggle s", "efficiency"])
    for prediction in predictions {
      table.add([
        prediction.ranks.grouped, prediction.seconds.decimals(4), prediction.exposed.decimals(4),
        prediction.straggle.decimals(4), "\((100 * prediction.efficiency).decimals(1)) %",
      ])
    }
    let check =
      here.map {
        "Predicted for the \($0.ranks) ranks here: \($0.seconds.decimals(4)) s a step; "
          + "`bench step` with the same options measures it.\n\n"
      } ?? ""
    return measured.text + "\n" + check
      + "A MODEL, not a measurement: one rank a host, all hosts and links as measured here.\n\n"
      + table.text
  }
}

/// The computation of a rank in a step of one sample.
private struct RankCosts {
  /// The variance of all of it, relative to the square of its mean; then medians: before the
  /// backward pass, that pass, the update, and until each bucket is final.
  private var values: [Double]

  /// The costs of this rank, from the seconds of each repetition.
  init(_ repetitions: [[Double]]) {
    let totals = repetitions.map { $0[0] + $0[1] + $0[2] }
    let mean = totals.reduce(0, +) / Double(totals.count)
    let squares = totals.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let variance = squares / Double(max(1, totals.count - 1)) / (mean * mean)
    let medians = repetitions[0].indices.map { part in median(repetitions.map { $0[part] }) }
    values = [variance] + medians
  }

  private init(values: [Double]) { self.values = values }

  private var total: Double { values[1] + values[2] + values[3] }

  /// The costs of the rank that computes longest, with the mean variance of all; on rank 0 only.
  ///
  /// Collective.
  static func slowest(_ own: RankCosts, _ communicator: any Communicator) throws -> RankCosts {
    let all = try BenchmarkMeasurement(communicator).gathered(own.values)
      .map(RankCosts.init(values:))
    var slowest = all.max { $0.total < $1.total } ?? own
    slowest.values[0] = all.reduce(0) { $0 + $1.values[0] } / Double(all.count)
    return slowest
  }

  /// The parts of a step with `samples` samples.
  func computation(samples: Int) -> ScalingModel.Computation {
    let (before, backward) = (values[1], values[2])
    let count = Double(samples)
    return ScalingModel.Computation(
      before: count * before + (count - 1) * backward, backward: backward,
      bucketsFinal: Array(values[4...]), update: values[3], jitter: values[0].squareRoot())
  }
}
