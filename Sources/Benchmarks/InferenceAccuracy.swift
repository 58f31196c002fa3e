// How exact the scores of a forward pass in Float are, measured against one in Double.

import Datasets
import Files
import Network
package import ReferenceNetwork
import Tensors
import Threading

/// The error of one tile's scores.
///
/// Errors depend on the numbers, unlike speed: the weights are those that training begins with, and
/// the tile shows synthetic cells as training sees them, a channel for each image.
package struct InferenceAccuracy {
  /// The error of the scores before the softmax.
  package let error: ScoreError
  /// Seconds of the forward pass in Double.
  package let referenceSeconds: Double

  /// Runs both forward passes.
  ///
  /// - Throws: `FileError` where no synthetic cells are drawn in this size; `AllocationError`.
  package init(_ setting: BenchmarkSetting) throws {
    let network = setting.network
    let team = setting.team()
    let parameters = try FloatBuffer(count: network.layout.count, for: "parameters")
    network.initialize(parameters.base, seed: 0, on: team)
    let activations = try UNetActivations(
      network, height: setting.tile, width: setting.tile, training: false,
      threads: setting.threads)
    let tile = try Self.cells(side: setting.tile, channels: activations.input.channels)
    defer { withExtendedLifetime((parameters, activations, tile)) {} }
    let input = TensorView(base: tile.base, shape: activations.input)
    network.forward(input, parameters: parameters.base, activations: activations, on: team)
    let clock = ContinuousClock()
    let start = clock.now
    let reference = network.referenceLogits(of: input, parameters: parameters.base, on: team)
    referenceSeconds = (clock.now - start) / .seconds(1)
    error = ScoreError(of: activations.logits, reference: reference)
  }

  /// A tile of normalised synthetic cells, side x side x channels.
  private static func cells(side: Int, channels: Int) throws -> FloatBuffer {
    let dataset = try SyntheticCells.dataset(count: channels, side: side, seed: 0)
    let tile = try FloatBuffer(count: side * side * channels, for: "a tile")
    for channel in 0..<channels {
      for (pixel, value) in try dataset.image(channel).pixels.enumerated() {
        tile.base[pixel * channels + channel] = value
      }
    }
    return tile
  }

  /// Adds what was found to a report.
  package func add(to report: inout BenchmarkReport) {
    report.details += [
      ("largest_relative_error", .number(error.largest)),
      ("rms_relative_error", .number(error.rootMeanSquare)),
      ("reference_seconds", .number(referenceSeconds)),
    ]
    var table = TextTable(["error of the scores against float64", "of their root mean square"])
    table.add(["largest", error.largest.scientific])
    table.add(["root mean square", error.rootMeanSquare.scientific])
    report.detailText += "\n" + table.text
  }
}
