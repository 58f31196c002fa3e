// What the model of a step on many ranks needs, measured on a few, and what it predicts.

import Communication
import Evaluation
import Glibc
import Kernels
import Network
import Randomness
import Tensors
import Threading
import Training

/// Measures computation and network on the spot, and predicts steps on up to 4,096 ranks.
struct ScalingModelBenchmark {
  /// What the model stands on.
  let computation: ScalingModel.Computation
  let network: ScalingModel.Network
  /// Whether the network was measured, and not given.
  let isMeasured: Bool
  let overlaps: Bool
  let hasSpareCore: Bool
  let threads: Int
  let samples: Int
  /// The step on the ranks that have measured; nil for one.
  let here: ScalingModel.Prediction?
  /// Steps on every power of two of ranks.
  let predictions: [ScalingModel.Prediction]

  private static let largestRanks = 4096

  /// Measures on all ranks; the result counts on rank 0 only.
  ///
  /// - Parameter given: a network that is not there; nil to measure the one between the ranks.
  init(
    _ setting: BenchmarkSetting, overlap: Overlap, given: ScalingModel.Network?,
    _ communicator: any Communicator
  ) throws {
    let budget = try ThreadBudget.measure(for: communicator)
    let buckets = GradientBuckets(elementCount: setting.network.layout.count)
    computation = try Self.measureComputation(setting, buckets, communicator)
    isMeasured = given == nil
    network = try given ?? Self.measureNetwork(communicator)
    overlaps = overlap != .off
    hasSpareCore = setting.threads * communicator.hostSize < budget.boundCores
    threads = setting.threads
    samples = setting.batch
    let model = ScalingModel(
      computation: computation, network: network, buckets: buckets, samples: setting.batch,
      overlaps: overlaps, hasSpareCore: hasSpareCore)
    here = communicator.size > 1 ? model.prediction(ranks: communicator.size) : nil
    var ranks = 1
    var predictions: [ScalingModel.Prediction] = []
    while ranks <= Self.largestRanks {
      predictions.append(model.prediction(ranks: ranks))
      ranks *= 2
    }
    self.predictions = predictions
  }

  // MARK: Computation

  /// The parts of a step without any exchange, on the slowest rank while all compute.
  private static func measureComputation(
    _ setting: BenchmarkSetting, _ buckets: GradientBuckets, _ communicator: any Communicator
  ) throws -> ScalingModel.Computation {
    let measurement = BenchmarkMeasurement(communicator)
    let team = ThreadTeam(count: setting.threads)
    let network = setting.network
    let side = setting.tile
    let activations = UNetActivations(
      network, height: side, width: side, training: true, threads: team.count)
    guard let logitsGradient = activations.logitsGradient else { preconditionFailure("training") }
    let (parameters, gradients) = (
      FloatBuffer(count: network.layout.count), FloatBuffer(count: network.layout.count)
    )
    network.initialize(parameters.base, seed: 0, on: team)
    let optimizer = Optimizer(kind: .sgd, momentum: 0.99, weightDecay: 0, layout: network.layout)
    let image = BenchmarkData.normal(count: activations.input.count)
    let labels = BenchmarkData.labels(
      count: activations.logits.shape.pixels, classes: network.configuration.classes)
    defer { withExtendedLifetime(image) {} }
    let view = TensorView(base: image.base, shape: activations.input)
    let clock = ContinuousClock()

    let own = try measurement.repetitions(setting) {
      let start = clock.now
      VectorSums.clear(gradients.base, count: gradients.count, on: team)
      network.forward(
        view, parameters: parameters.base, activations: activations,
        dropout: DropoutKey(RandomStream(seed: 0, purpose: .dropout)), on: team)
      _ = labels.withUnsafeBufferPointer { labels in
        labels.baseAddress.map {
          SoftmaxCrossEntropy.lossAndGradient(
            logits: activations.logits, labels: $0, classWeights: nil,
            scale: 1 / Float(labels.count), gradient: logitsGradient,
            rowSums: activations.rowSums, on: team)
        }
      }
      let computed = clock.now
      var finalTimes: [Double] = []
      network.backward(
        view, parameters: parameters.base, activations: activations, gradients: gradients.base,
        dropped: true, on: team
      ) { offset in
        let complete = buckets.completeCount(from: offset, reduced: finalTimes.count)
        let now = (clock.now - computed) / .seconds(1)
        while finalTimes.count < complete { finalTimes.append(now) }
      }
      let ended = clock.now
      let backward = (ended - computed) / .seconds(1)
      while finalTimes.count < buckets.ranges.count { finalTimes.append(backward) }
      optimizer.update(
        parameters, gradients: gradients, range: 0..<gradients.count, gradientScale: 1, rate: 1e-5,
        update: 1, on: team)
      return [
        (computed - start) / .seconds(1), backward, (clock.now - ended) / .seconds(1),
      ] + finalTimes
    }
    let totals: [Double] = own.map { $0[0] + $0[1] + $0[2] }
    let mean = totals.reduce(0, +) / Double(totals.count)
    let squares: Double = totals.reduce(0.0) { (sum: Double, total: Double) in
      sum + (total - mean) * (total - mean)
    }
    let variance: Double = squares / Double(max(1, totals.count - 1))
    let jitter = variance.squareRoot() / mean
    let medians = own[0].indices.map { part in median(own.map { $0[part] }) }
    let slowest = try measurement.largest([medians + [jitter]])[0]
    let count = Double(setting.batch)
    return ScalingModel.Computation(
      before: count * slowest[0] + (count - 1) * slowest[1], backward: slowest[1],
      bucketsFinal: Array(slowest[3..<slowest.count - 1]), update: slowest[2],
      jitter: slowest[slowest.count - 1])
  }

  // MARK: Network

  private static let tag = 32_000
  private static let repetitions = 5
  /// Enough for a link's buffers to be full, in messages of a bucket's size.
  private static let messageBytes = GradientBuckets.defaultByteCount
  private static let messageCount = 4

  /// Messages between pairs of ranks, all pairs at once, both ways at once as the exchange has them.
  ///
  /// Rank r meets rank r + p / 2, which is on another host where there are several.
  private static func measureNetwork(
    _ communicator: any Communicator
  ) throws -> ScalingModel.Network {
    let measurement = BenchmarkMeasurement(communicator)
    let half = communicator.size / 2
    let partner =
      communicator.rank < half
      ? communicator.rank + half : communicator.rank < 2 * half ? communicator.rank - half : nil
    let messages = communicator.messages(tag: tag)
    let (sent, received) = (
      FloatBuffer(count: messageBytes / 4), FloatBuffer(count: messageBytes / 4)
    )
    defer { withExtendedLifetime((sent, received)) {} }
    func exchange(bytes: Int, count: Int) throws -> [Double] {
      try communicator.barrier()
      let processor = processorSeconds()
      let seconds = try measurement.seconds {
        guard let partner else { return }
        for _ in 0..<count {
          try messages.receive(
            UnsafeMutableRawBufferPointer(start: received.base, count: bytes), from: partner)
          try messages.send(UnsafeRawBufferPointer(start: sent.base, count: bytes), to: partner)
        }
        try messages.wait()
      }
      return [seconds, processorSeconds() - processor]
    }
    func medians(bytes: Int, count: Int) throws -> [Double] {
      _ = try exchange(bytes: bytes, count: count)
      let own = try (0..<repetitions).map { _ in try exchange(bytes: bytes, count: count) }
      return (0..<2).map { part in median(own.map { $0[part] }) }
    }
    let small = try medians(bytes: 4, count: 1)
    let large = try medians(bytes: messageBytes, count: messageCount)
    let additions = 1 << 20
    let adding = measurement.seconds {
      GradientSum.add(
        received.base, sent.base, into: received.base, count: additions, compression: .none)
    }
    let slowest = try measurement.largest([small + large + [adding]])[0]
    let bytes = Double(messageBytes * messageCount)
    return ScalingModel.Network(
      latency: slowest[0], secondsPerByte: max(0, slowest[2] - slowest[0]) / bytes,
      processorSecondsPerByte: slowest[3] / bytes,
      secondsPerAddition: slowest[4] / Double(additions))
  }

  /// Seconds that processors have spent for this process.
  private static func processorSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + 1e-6 * Double(time.tv_usec) }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  // MARK: Reports

  /// The model and its predictions as JSON.
  var json: JSONValue {
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
      "has_spare_core": .boolean(hasSpareCore),
      "computation": [
        "before_seconds": .number(computation.before),
        "backward_seconds": .number(computation.backward),
        "update_seconds": .number(computation.update), "jitter": .number(computation.jitter),
      ],
      "network": [
        "is_measured": .boolean(isMeasured), "latency_seconds": .number(network.latency),
        "bytes_per_second": .number(1 / network.secondsPerByte),
        "processor_seconds_per_byte": .number(network.processorSecondsPerByte),
        "seconds_per_addition": .number(network.secondsPerAddition),
      ],
      "here": here.map(object) ?? .null, "predictions": .list(predictions.map(object)),
    ]
  }

  /// The model and its predictions for people.
  var text: String {
    var measured = TextTable([isMeasured ? "measured here" : "measured here, network given", ""])
    let gigabits = 8e-9 / network.secondsPerByte
    for (name, value) in [
      ("before the last backward pass", "\(computation.before.decimals(4)) s"),
      ("backward pass", "\(computation.backward.decimals(4)) s"),
      ("update", "\(computation.update.decimals(4)) s"),
      ("jitter", "\((100 * computation.jitter).decimals(1)) %"),
      ("latency", "\((1e6 * network.latency).decimals(1)) us"),
      ("bandwidth, both ways at once", "\(gigabits.decimals(3)) Gbit/s"),
      ("tiles a rank, threads a rank", "\(samples), \(threads)"),
      ("exchange beside the backward pass", overlaps ? "yes" : "no"),
      ("a core to spare for it", hasSpareCore ? "yes" : "no"),
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
