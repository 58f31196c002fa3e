// The sizes that a package declares for its input and its output.

import Datasets
import Inference
import Network

/// Which heights and widths a model takes in blocks, and what is right of what it says.
struct TensorSizes {
  /// The smallest height and width that leaves something when the halo is taken off the output.
  let minimum: Int
  /// By how much heights and widths differ.
  let step: Int
  /// Pixels that the output has less on each side.
  let margin: Int
  /// Pixels on each side of the output that depend on what is beyond the input.
  let halo: Int
  /// The side of the test tensors.
  let testSide: Int

  /// Pixels of the input that test tensors have at least, where the network takes them.
  private static let wantedTestSide = 192

  init(_ network: UNet) {
    let configuration = network.configuration
    step = configuration.tileStep
    margin = configuration.margin
    let tile = TilePlan.best(for: [network], height: step, width: step).tiles[0].rows
    halo = max(tile.leading, tile.trailing) - margin
    var side = configuration.smallestTile
    while side - 2 * margin - 2 * halo < step { side += step }
    minimum = side
    while side < Self.wantedTestSide { side += step }
    testSide = side
  }
}
