// Which tiles an image is predicted by: square ones that were asked for, or the cheapest.

package import Datasets
package import Network

/// The tiles by which one network, or several together, predict an image.
///
/// Every tile has a context around its window that is thrown away, so larger tiles compute less in
/// all: of the paper's network one tile of 716 covers an image of 512 with 43 % of the work of four
/// tiles of 572.
///
/// A pixel depends on the image around it, on where the poolings' cells lie, and on nothing else,
/// where windows begin at whole pixels of the bottleneck and the tile holds the whole
/// `WindowContext` of each. Then all plans say the same of a pixel, but for rounding; not those of
/// networks with instance or group normalization, whose statistics are the tile's.
package struct TilePlan: Sendable, Hashable {
  /// The tile of one network.
  package struct Tile: Sendable, Hashable {
    /// The sides of tile and window from top to bottom.
    package let rows: WindowShape
    /// The sides of tile and window from left to right.
    package let columns: WindowShape
  }

  /// The tile of each network; their windows are the same.
  package let tiles: [Tile]
  /// Whether what is said of a pixel does not depend on the plan: windows begin at whole pixels of the
  /// bottleneck and have their whole context.
  package let isExact: Bool

  /// Bytes that the activations of all networks' tiles may take where the best plan is looked for:
  /// 1 GiB.
  ///
  /// With the weights of the paper's network, an image and its probabilities that leaves a laptop
  /// of 8 GB most of its memory. It is a constant, not a share of the machine's memory, because
  /// predictions are to have the same bits on every machine and for every number of ranks and threads.
  package static let activationByteLimit = 1 << 30

  /// Pixels of an image beyond which the limit is ``largeImageByteLimit``: 64 Mi.
  package static let largeImagePixelCount = 1 << 26
  /// The limit of large images: 512 MiB, so that a rank has room for what is decoded of the image and
  /// said of it, in less than 1 GB.
  package static let largeImageByteLimit = 1 << 29

  /// Bytes that activations may take for an image of this size.
  static func byteLimit(height: Int, width: Int) -> Int {
    height * width > largeImagePixelCount ? largeImageByteLimit : activationByteLimit
  }

  private init(rows: [WindowShape], columns: [WindowShape], isExact: Bool) {
    tiles = zip(rows, columns).map { Tile(rows: $0, columns: $1) }
    self.isExact = isExact
  }

  /// The windows that cover an image of this size.
  package func tiling(height: Int, width: Int) -> MirroredTiling {
    MirroredTiling(
      height: height, width: width, windowHeight: tiles[0].rows.side,
      windowWidth: tiles[0].columns.side)
  }
}

// MARK: - Square tiles

extension TilePlan {
  /// Square tiles of side `tile` for each of these networks.
  ///
  /// With padding the context is at most a quarter of the tile a side, so that at least a quarter of
  /// the tile's pixels are the window's. Where that, or a tile near the smallest legal one, is less
  /// than the whole context, the plan is not exact: pixels near a window's edge show traces of padding.
  ///
  /// - Parameter isSymmetric: whether tiles are turned and flipped.
  /// - Precondition: the tile is legal for each.
  package init(
    square tile: Int, for configurations: [UNetConfiguration], isSymmetric: Bool = false
  ) {
    let contexts = configurations.map { WindowContext($0, isSymmetric: isSymmetric) }
    let grid = contexts.map(\.grid).max() ?? 1
    let spaces = zip(contexts, configurations).map { $0.space(in: tile, of: $1) }
    let side = (spaces.map(\.side).min() ?? 1) / grid * grid
    if side > 0, spaces.allSatisfy(\.isWhole) {
      let shapes = spaces.map { WindowShape(inputSide: tile, leading: $0.leading, side: side) }
      self.init(rows: shapes, columns: shapes, isExact: true)
      return
    }
    let rest = configurations.map { Self.affordable(tile, $0) }
    let common = rest.map(\.side).min() ?? 1
    let shapes = rest.map { WindowShape(inputSide: tile, leading: $0.leading, side: common) }
    self.init(rows: shapes, columns: shapes, isExact: false)
  }

  /// The window of a tile that is too small for the whole context of one.
  private static func affordable(
    _ tile: Int, _ configuration: UNetConfiguration
  ) -> (leading: Int, side: Int) {
    guard let outputSide = configuration.outputSide(tile: tile) else {
      preconditionFailure("a tile of \(tile), which is not legal")
    }
    guard configuration.padding != .valid else { return (configuration.margin, outputSide) }
    let halfBottleneckPixel = 1 << (configuration.depth - 1)
    let context = tile / 4 / halfBottleneckPixel * halfBottleneckPixel
    return (context, tile - 2 * context)
  }
}

// MARK: - The best plan

extension TilePlan {
  /// The plan of least work by which these networks predict an image of this size.
  ///
  /// The work is the number of windows x the multiply-adds of the networks on the tile of one. Of the
  /// smallest windows for each number of rows and of columns, it is the plan of least work whose
  /// activations, planned for one thread, take at most `byteLimit` bytes; of equal ones that of fewer
  /// windows, then that of lower tiles. Where nothing fits it is the smallest tile.
  ///
  /// It depends on nothing but the networks, the size and the limit, so all ranks find the same.
  ///
  /// - Complexity: about 4 sqrt(height x width) / 2^depth plans are compared, of which those are
  ///   planned in memory that are cheaper than the result.
  /// - Precondition: the size is positive, and there is a network.
  package static func best(
    for networks: [UNet], height: Int, width: Int, isSymmetric: Bool = false,
    byteLimit: Int? = nil
  ) -> TilePlan {
    let byteLimit = byteLimit ?? Self.byteLimit(height: height, width: width)
    let configurations = networks.map(\.configuration)
    let rows = candidates(configurations, length: height, isSymmetric: isSymmetric)
    let columns = candidates(configurations, length: width, isSymmetric: isSymmetric)
    let plans = rows.flatMap { row in
      columns.map { column in
        let plan = TilePlan(rows: row.shapes, columns: column.shapes, isExact: true)
        let windows = row.windows * column.windows
        // In Double, because images and networks at the limits of both leave the range of integers.
        let work = zip(networks, plan.tiles).reduce(0.0) { sum, part in
          sum
            + Double(
              part.0.multiplyAdds(
                height: part.1.rows.inputSide, width: part.1.columns.inputSide))
        }
        return (plan: plan, windows: windows, work: Double(windows) * work)
      }
    }
    let ordered = plans.sorted {
      ($0.work, $0.windows, $0.plan.tiles[0].rows.inputSide)
        < ($1.work, $1.windows, $1.plan.tiles[0].rows.inputSide)
    }
    let fitting = ordered.first { candidate in
      zip(networks, candidate.plan.tiles).reduce(0) { sum, part in
        sum
          + UNetMemory.activationByteCount(
            part.0, height: part.1.rows.inputSide, width: part.1.columns.inputSide,
            training: false, threads: 1)
      } <= byteLimit
    }
    if let fitting { return fitting.plan }
    guard let row = rows.first, let column = columns.first else {
      return smallest(configurations, isSymmetric: isSymmetric)
    }
    return TilePlan(rows: row.shapes, columns: column.shapes, isExact: true)
  }

  /// For networks so deep that no tile is both legal and large enough for the whole context.
  private static func smallest(
    _ configurations: [UNetConfiguration], isSymmetric: Bool
  ) -> TilePlan {
    let sides = configurations.map { $0.legalTiles(near: 1).first ?? 1 }
    let plans = zip(sides, configurations).map {
      TilePlan(square: $0, for: [$1], isSymmetric: isSymmetric)
    }
    let side = plans.map { $0.tiles[0].rows.side }.min() ?? 1
    let shapes = plans.map { plan in
      let shape = plan.tiles[0].rows
      return WindowShape(inputSide: shape.inputSide, leading: shape.leading, side: side)
    }
    return TilePlan(rows: shapes, columns: shapes, isExact: false)
  }

  /// The smallest window for each number of windows along an axis, the smallest first, with the smallest
  /// legal tile of each network for it.
  private static func candidates(
    _ configurations: [UNetConfiguration], length: Int, isSymmetric: Bool
  ) -> [(shapes: [WindowShape], windows: Int)] {
    precondition(length > 0, "an image side of \(length)")
    let contexts = configurations.map { WindowContext($0, isSymmetric: isSymmetric) }
    let grid = contexts.map(\.grid).max() ?? 1
    var found: [(shapes: [WindowShape], windows: Int)] = []
    for side in stride(from: grid, through: UNetMemory.largestTile, by: grid) {
      let windows = (length + side - 1) / side
      guard windows < found.last?.windows ?? .max else { continue }
      let shapes = zip(contexts, configurations).compactMap { $0.smallestTile(for: side, of: $1) }
      guard shapes.count == configurations.count else { break }
      found.append((shapes, windows))
      if windows == 1 { break }
    }
    return found
  }
}
