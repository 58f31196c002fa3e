// The benchmark of a training step.

import Communication
import Evaluation
import Kernels
import Network
import Randomness
import Tensors
import Threading
import Training

/// A training step on made-up samples: forward, loss, backward, reduction, and SGD with momentum.
///
/// The work counted is three times that of the forward pass. The first layer's input needs no
/// gradient, which is not taken off.
enum StepBenchmark {
  /// The parts of a step that are measured, in the order of time.
  private static let parts = ["forward", "backward", "reduce", "update"]

  /// Measures steps; the report counts on rank 0 only.
  static func run(
    _ setting: BenchmarkSetting, _ communicator: any Communicator
  ) throws -> BenchmarkReport {
    let measurement = BenchmarkMeasurement(communicator)
    let step = BenchmarkStep(setting, communicator)
    let own = try measurement.repetitions(setting) { try step.run(measurement) }
    // Each repetition: the whole step, then its parts.
    let slowest = try measurement.largest(own)
    var report = BenchmarkReport(
      name: "step", setting: setting, ranks: communicator.size, seconds: slowest.map { $0[0] },
      multiplyAdds: 3 * step.forwardMultiplyAdds * setting.batch * communicator.size,
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
    ]
    report.detailText = table.text
    return report
  }
}

/// The buffers of a training step and the step itself.
private final class BenchmarkStep {
  private let setting: BenchmarkSetting
  private let communicator: any Communicator
  private let activations: UNetActivations
  private let team: ThreadTeam
  private let parameters: FloatBuffer
  private let gradients: FloatBuffer
  private let velocities: FloatBuffer
  private let image: FloatBuffer
  private let labels: [UInt8]
  private let reducer: GradientReducer
  private var stepsDone = 0

  init(_ setting: BenchmarkSetting, _ communicator: any Communicator) {
    self.setting = setting
    self.communicator = communicator
    let network = setting.network
    activations = UNetActivations(
      network, height: setting.tile, width: setting.tile, training: true, threads: setting.threads)
    team = ThreadTeam(count: setting.threads)
    parameters = FloatBuffer(count: network.layout.count)
    gradients = FloatBuffer(count: network.layout.count)
    velocities = FloatBuffer(count: network.layout.count)
    network.initialize(parameters.base, seed: 0)
    image = BenchmarkData.normal(count: activations.input.count)
    labels = BenchmarkData.labels(
      count: activations.logits.shape.pixels, classes: network.configuration.classes)
    reducer = GradientReducer(
      communicator: communicator,
      buckets: GradientBuckets(elementCount: network.layout.count))
  }

  var forwardMultiplyAdds: Int { activations.multiplyAdds }

  /// One step; the seconds of the whole and of its parts.
  func run(_ measurement: BenchmarkMeasurement) throws -> [Double] {
    guard let logitsGradient = activations.logitsGradient else { return [] }
    let (network, batch) = (setting.network, setting.batch)
    let input = TensorView(base: image.base, shape: activations.input)
    let scale = 1 / Float(batch * communicator.size * labels.count)
    var forward = 0.0
    var backward = 0.0
    var reduce = 0.0
    var update = 0.0
    let whole = try measurement.seconds {
      update += measurement.seconds { gradients.floats.update(repeating: 0) }
      reducer.begin(gradients.floats)
      for sample in 0..<batch {
        let place = communicator.rank * batch + sample
        let dropout = DropoutKey(
          RandomStream(seed: 0, purpose: .dropout, moment: stepsDone, sample: place))
        forward += measurement.seconds {
          network.forward(
            input, parameters: parameters.base, activations: activations, dropout: dropout,
            on: team)
          _ = SoftmaxCrossEntropy.lossAndGradient(
            logits: activations.logits, labels: labels, classWeights: nil, scale: scale,
            gradient: logitsGradient, rowSums: activations.rowSums, on: team)
        }
        // Gradients are final only when the last sample's are added.
        let isLast = sample == batch - 1
        backward += measurement.seconds {
          network.backward(
            input, parameters: parameters.base, activations: activations,
            gradients: gradients.base, dropped: true, on: team
          ) { offset in
            if isLast { reducer.reduce(from: offset) }
          }
        }
      }
      // The pass stands still while a bucket is summed.
      backward -= reducer.seconds
      try reducer.finish()
      reduce = reducer.seconds
      update += measurement.seconds {
        // A rate so small that noise for data does not make the weights overflow.
        OptimizerUpdates.momentum(
          weights: parameters.base, gradients: gradients.base, velocities: velocities.base,
          count: parameters.count, rate: 1e-5, momentum: 0.99, weightDecay: 0, gradientScale: 1,
          on: team)
      }
    }
    stepsDone += 1
    return [whole, forward, backward, reduce, update]
  }
}
