// The benchmark of inference: tiles through the network, without dropout and without gradients.

package import Communication
import Datasets
import Files
import Inference
import Network
import Tensors
import Threading

/// The forward pass of tiles, from the image to the scores of the classes.
package enum InferenceBenchmark {
  /// Measures passes; every rank has its own tiles.
  ///
  /// The report counts on rank 0 only.
  package static func run(
    _ setting: BenchmarkSetting, _ communicator: any Communicator
  ) throws -> BenchmarkReport {
    let measurement = BenchmarkMeasurement(communicator)
    let network = setting.network
    let activations = try UNetActivations(
      network, height: setting.tile, width: setting.tile, training: false,
      threads: setting.threads)
    let team = setting.team()
    let parameters = try FloatBuffer(count: network.layout.count, for: "parameters")
    network.initialize(parameters.base, seed: 0, on: team)
    let image = try BenchmarkData.normal(count: activations.input.count)
    defer { withExtendedLifetime(image) {} }
    let input = TensorView(base: image.base, shape: activations.input)
    let own = try measurement.repetitions(setting) {
      [
        measurement.seconds {
          for _ in 0..<setting.batch {
            network.forward(
              input, parameters: parameters.base, activations: activations, on: team)
          }
        }
      ]
    }
    let seconds = try measurement.largest(own).map { $0[0] }
    let tiles = setting.batch * communicator.size
    var report = BenchmarkReport(
      name: "inference", setting: setting, ranks: communicator.size, seconds: seconds,
      multiplyAdds: network.multiplyAdds(height: setting.tile, width: setting.tile) * tiles,
      peakByteCount: try measurement.peakByteCount())
    let rate = Double(tiles) / median(seconds)
    report.details = [("tiles_per_second", .number(rate))]
    report.detailText = "\(rate.decimals(2)) tiles a second over all ranks\n"
    return report
  }

  /// Measures predictions of whole square images; every rank has its own.
  ///
  /// An image goes through the predictor from its pixels to the probabilities of the classes, by
  /// square tiles of side `tile` or by those of least work. Its memory is allocated in the first
  /// repetition, so one should be for warming up. The report counts on rank 0 only.
  package static func runWholeImages(
    side: Int, tile: Int?, _ setting: BenchmarkSetting, _ communicator: any Communicator
  ) throws -> BenchmarkReport {
    let measurement = BenchmarkMeasurement(communicator)
    let network = setting.network
    let parameters = try FloatBuffer(count: network.layout.count, for: "parameters")
    let team = setting.team()
    network.initialize(parameters.base, seed: 0, on: team)
    let predictor = TiledPredictor(
      [TrainedMember(network, parameters: parameters)], tile: tile, threads: team)
    let channels = network.configuration.inputChannels
    let noise = try BenchmarkData.normal(count: side * side * channels)
    let pixels = withExtendedLifetime(noise) { Array(noise.floats) }
    let own = try measurement.repetitions(setting) {
      [
        try measurement.seconds {
          for _ in 0..<setting.batch {
            _ = try predictor.probabilities(
              height: side, width: side, channels: channels, pixels: pixels)
          }
        }
      ]
    }
    let seconds = try measurement.largest(own).map { $0[0] }
    let plan = predictor.plan(height: side, width: side)
    let shape = plan.tiles[0]
    let image = WholeImage(side: side, plan: plan)
    let images = setting.batch * communicator.size
    let work = network.multiplyAdds(
      height: shape.rows.inputSide, width: shape.columns.inputSide)
    var report = BenchmarkReport(
      name: "inference", setting: setting, ranks: communicator.size, seconds: seconds,
      multiplyAdds: work * image.tileCount * images,
      peakByteCount: try measurement.peakByteCount())
    report.image = image
    let rate = Double(images) / median(seconds)
    report.details = [("images_per_second", .number(rate))]
    report.detailText = "\(rate.decimals(2)) images a second over all ranks\n"
    return report
  }
}
