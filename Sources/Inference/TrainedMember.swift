// One network of a predictor, with its weights and the memory of its tiles.

import Datasets
package import Network
package import Tensors
import Threading

/// A network that predicts, alone or as a member of an ensemble.
package final class TrainedMember {
  /// The network.
  package let network: UNet
  private let parameters: FloatBuffer
  /// The memory of the tiles seen last.
  private var memory: TileMemory?
  /// Whether the memory is another's, for tiles of one size.
  private let isFixed: Bool

  /// What a tile takes: its pixels and the network's activations.
  private struct TileMemory {
    let pixels: FloatBuffer
    let activations: UNetActivations

    init(_ activations: UNetActivations) throws(AllocationError) {
      self.activations = activations
      pixels = try FloatBuffer(count: activations.input.count, for: "the pixels of a tile")
    }
  }

  /// A network with its parameters, which are read at each pass; memory follows with the first tile.
  ///
  /// - Precondition: `parameters` are those of the network.
  package init(_ network: UNet, parameters: FloatBuffer) {
    Self.check(parameters, of: network)
    self.network = network
    self.parameters = parameters
    isFixed = false
  }

  /// A network that works in memory which others use between its passes.
  init(
    _ network: UNet, parameters: FloatBuffer, activations: UNetActivations
  ) throws(AllocationError) {
    Self.check(parameters, of: network)
    self.network = network
    self.parameters = parameters
    isFixed = true
    memory = try TileMemory(activations)
  }

  private static func check(_ parameters: FloatBuffer, of network: UNet) {
    precondition(
      parameters.count == network.layout.count,
      "\(parameters.count) parameters for a network of \(network.layout.count)")
  }

  /// Runs the network on the tile around a window, turned as the pass says.
  ///
  /// - Returns: the scores of the window in the turned tile; the next pass overwrites them.
  func scores(
    _ window: MirroredTiling.Window, of tiling: MirroredTiling, tile: TilePlan.Tile,
    pixels: PixelRectangle, pass: PredictionPass, on team: ThreadTeam
  ) throws(AllocationError) -> TensorView {
    let channels = network.configuration.inputChannels
    let seen = pass.symmetry.transformed(tile)
    let memory = try memory(height: seen.rows.inputSide, width: seen.columns.inputSide, on: team)
    if pass.symmetry == .identity {
      tiling.extract(
        window, tileRows: tile.rows, tileColumns: tile.columns, of: pixels,
        to: memory.pixels.base)
    } else {
      let (height, width) = (tile.rows.inputSide, tile.columns.inputSide)
      let source = try FloatBuffer(count: height * width * channels, for: "the pixels of a tile")
      tiling.extract(
        window, tileRows: tile.rows, tileColumns: tile.columns, of: pixels,
        to: source.base)
      for y in 0..<height {
        for x in 0..<width {
          let place = pass.symmetry.place(y, x, height: height, width: width)
          let target =
            memory.pixels.base + (place.row * seen.columns.inputSide + place.column) * channels
          (target).update(from: source.base + (y * width + x) * channels, count: channels)
        }
      }
    }
    network.forward(
      TensorView(base: memory.pixels.base, shape: memory.activations.input),
      parameters: parameters.base, activations: memory.activations, dropout: pass.dropout, on: team)
    // Without padding the output begins behind the margin.
    let margin = network.configuration.margin
    return memory.activations.logits.everyNth(
      step: 1, row: seen.rows.leading - margin, column: seen.columns.leading - margin,
      height: seen.rows.side, width: seen.columns.side)
  }

  /// The memory for tiles of these sides; that of the last ones where it fits.
  private func memory(
    height: Int, width: Int, on team: ThreadTeam
  ) throws(AllocationError) -> TileMemory {
    if let memory, memory.activations.input.height == height,
      memory.activations.input.width == width
    {
      return memory
    }
    precondition(!isFixed, "tiles of \(width) x \(height)")
    // The old memory goes first, so that there are never two.
    memory = nil
    let fresh = try TileMemory(
      UNetActivations(
        network, height: height, width: width, training: false, threads: team.count))
    memory = fresh
    return fresh
  }
}
