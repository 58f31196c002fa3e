// Which tiles an image is predicted by: the square one asked for, or the cheapest.

package import Datasets
package import Network

/// The size of the tiles by which a network predicts an image.
///
/// Every tile has a context around its output window that is thrown away, so larger tiles compute
/// less in all: of a network without padding and of depth 4, one tile of 700 covers an image of 512
/// with 41 % of the work of four tiles of 572.
package struct TilePlan: Sendable, Hashable {
  /// The sides of tile and window from top to bottom.
  package let rows: TileShape
  /// The sides of tile and window from left to right.
  package let columns: TileShape

  /// Bytes that the activations of a tile may take where the best plan is looked for: 1 GiB.
  ///
  /// With the weights of the paper's network, an image and its probabilities that leaves a laptop
  /// of 8 GB most of its memory. It is a constant, not a share of the machine's memory, because
  /// predictions depend a little on the tiles (see `TiledPredictor`), and they are to be the same on
  /// every machine and for every number of ranks and threads.
  package static let activationByteLimit = 1 << 30

  /// The windows that cover an image of this size.
  package func tiling(height: Int, width: Int) -> MirroredTiling {
    MirroredTiling(height: height, width: width, tileRows: rows, tileColumns: columns)
  }
}

// MARK: - Square tiles

extension TilePlan {
  /// Square tiles of side `tile`.
  ///
  /// With padding the context is at most a quarter of the tile a side, so that at least a quarter of
  /// the tile's pixels are the window's; where that is less than the network sees, pixels near the
  /// window's edge show traces of padding.
  ///
  /// - Precondition: the tile is legal.
  package init(square tile: Int, for configuration: UNetConfiguration) {
    guard let outputSide = configuration.outputSide(tile: tile) else {
      preconditionFailure("a tile of \(tile), which is not legal")
    }
    if configuration.padding == .valid {
      rows = TileShape(inputSide: tile, outputSide: outputSide)
    } else {
      let halfBottleneckPixel = 1 << (configuration.depth - 1)
      let affordable = tile / 4 / halfBottleneckPixel * halfBottleneckPixel
      rows = TileShape(
        inputSide: tile, outputSide: tile - 2 * min(Self.context(configuration), affordable))
    }
    columns = rows
  }

  /// Pixels a side around a window that the network sees, or with padding a few more.
  ///
  /// With padding the context is what the same network would take off without padding and two more,
  /// because its poolings begin at the tile's edge, not two pixels inside; then padding reaches the
  /// window through no layer but a 2x2 convolution after nearest-neighbour upsampling. It is
  /// rounded up to whole pixels of the bottleneck, so that windows side by side lie on the grid of
  /// the poolings, on which a U-Net sees the same thing the same way.
  private static func context(_ configuration: UNetConfiguration) -> Int {
    guard configuration.padding != .valid else { return configuration.margin }
    var unpadded = configuration
    unpadded.padding = .valid
    let bottleneckPixel = 1 << configuration.depth
    return (unpadded.margin + 2 + bottleneckPixel - 1) / bottleneckPixel * bottleneckPixel
  }
}

// MARK: - The best plan

extension TilePlan {
  /// The plan of least work for an image of this size.
  ///
  /// The work is the number of tiles x the multiply-adds of the network on one of them. Among all
  /// heights and widths that are legal and leave a window its whole context, it is the plan of least
  /// work whose activations, planned for one thread, take at most `byteLimit` bytes; of equal ones
  /// that of fewer tiles, then that of lower tiles. Where nothing fits it is the smallest tile.
  ///
  /// It depends on nothing but the network, the size and the limit, so all ranks find the same.
  ///
  /// - Complexity: about 4 sqrt(height x width) / 2^depth plans are compared, of which those are
  ///   planned in memory that are cheaper than the result.
  /// - Precondition: the size is positive.
  package static func best(
    for network: UNet, height: Int, width: Int, byteLimit: Int = activationByteLimit
  ) -> TilePlan {
    let rows = candidates(network.configuration, length: height)
    let columns = candidates(network.configuration, length: width)
    let plans = rows.flatMap { row in
      columns.map { column in
        let tiles = row.windows * column.windows
        let work = network.multiplyAdds(
          height: row.shape.inputSide, width: column.shape.inputSide)
        // In Double, because images and networks at the limits of both leave the range of integers.
        return (
          plan: TilePlan(rows: row.shape, columns: column.shape), tiles: tiles,
          work: Double(tiles) * Double(work)
        )
      }
    }
    let ordered = plans.sorted {
      ($0.work, $0.tiles, $0.plan.rows.inputSide) < ($1.work, $1.tiles, $1.plan.rows.inputSide)
    }
    let fitting = ordered.first { candidate in
      UNetMemory.activationByteCount(
        network, height: candidate.plan.rows.inputSide, width: candidate.plan.columns.inputSide,
        training: false, threads: 1) <= byteLimit
    }
    return fitting?.plan ?? TilePlan(rows: rows[0].shape, columns: columns[0].shape)
  }

  /// The smallest legal tile for each number of windows along an axis, the smallest first.
  private static func candidates(
    _ configuration: UNetConfiguration, length: Int
  ) -> [(shape: TileShape, windows: Int)] {
    precondition(length > 0, "an image side of \(length)")
    let context = context(configuration)
    var found: [(shape: TileShape, windows: Int)] = []
    for side in 2 * context + 1...max(2 * context + 1, UNetMemory.largestTile)
    where configuration.outputSide(tile: side) != nil {
      let shape = TileShape(inputSide: side, outputSide: side - 2 * context)
      let windows = (length + shape.outputSide - 1) / shape.outputSide
      if windows < found.last?.windows ?? .max { found.append((shape, windows)) }
      if windows == 1 { break }
    }
    // Networks so deep that no tile is both legal and large enough for the whole context.
    if found.isEmpty, let smallest = configuration.legalTiles(near: 1).first {
      let shape = TilePlan(square: smallest, for: configuration).rows
      found.append((shape, (length + shape.outputSide - 1) / shape.outputSide))
    }
    return found
  }
}
