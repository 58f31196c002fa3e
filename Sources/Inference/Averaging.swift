// What a prediction is the mean of: one pass, the symmetries of a tile, or random masks of dropout.

import Datasets
import Network
import Randomness

/// What each network's probabilities are averaged over.
package enum Averaging: Sendable, Equatable {
  /// One pass of the network.
  case none
  /// The eight flips and quarter turns of a tile, each turned back (after Moshkov et al. 2020).
  case symmetries
  /// So many passes with dropout, after Gal and Ghahramani 2016, "Dropout as a Bayesian approximation".
  ///
  /// The masks depend on the seed, the pass, the image's number and the window, so a result can be had
  /// again, alone or among others.
  case dropout(samples: Int, seed: UInt64)

  /// The passes of network `member` for one window, in the order in which they are added.
  func passes(member: Int, image: Int, window: Int) -> [PredictionPass] {
    switch self {
    case .none: [PredictionPass()]
    case .symmetries:
      // Those that are not transposed first, so that memory of the other shape is asked for once.
      TileSymmetry.all.map { PredictionPass(symmetry: $0) }
    case .dropout(let samples, let seed):
      (0..<samples).map { sample in
        PredictionPass(
          dropout: Self.dropoutKey(
            seed: seed, pass: member * samples + sample, image: image, window: window))
      }
    }
  }

  /// The key of one window's masks in one pass; images and windows are told apart up to 65,536 each.
  private static func dropoutKey(seed: UInt64, pass: Int, image: Int, window: Int) -> DropoutKey {
    let sample = UInt32(truncatingIfNeeded: (image & 0xFFFF) &* 65_536 &+ window)
    return DropoutKey(
      RandomStream(seed: seed, purpose: .dropout, epoch: pass, sample: Int(sample)))
  }
}

/// One pass of a network over a tile.
struct PredictionPass {
  /// How the tile is turned before the pass, and its probabilities turned back behind it.
  var symmetry = TileSymmetry.identity
  /// The masks of dropout, or nil where nothing is dropped.
  var dropout: DropoutKey?
}

/// One of the eight symmetries of a square: each axis runs forwards or backwards, then rows and columns
/// change places or not.
struct TileSymmetry: Equatable {
  let isTransposed: Bool
  let reversesRows: Bool
  let reversesColumns: Bool

  static let identity = TileSymmetry(
    isTransposed: false, reversesRows: false, reversesColumns: false)

  static let all = [false, true].flatMap { isTransposed in
    [false, true].flatMap { reversesRows in
      [false, true].map {
        TileSymmetry(
          isTransposed: isTransposed, reversesRows: reversesRows, reversesColumns: $0)
      }
    }
  }

  /// Where the pixel (y, x) of an image of `height` x `width` stands in the transformed one.
  @inline(__always)
  func place(_ y: Int, _ x: Int, height: Int, width: Int) -> (row: Int, column: Int) {
    let row = reversesRows ? height - 1 - y : y
    let column = reversesColumns ? width - 1 - x : x
    return isTransposed ? (column, row) : (row, column)
  }

  /// The tile as the network sees it.
  func transformed(_ tile: TilePlan.Tile) -> TilePlan.Tile {
    let rows = reversesRows ? tile.rows.reversed : tile.rows
    let columns = reversesColumns ? tile.columns.reversed : tile.columns
    return isTransposed
      ? TilePlan.Tile(rows: columns, columns: rows) : TilePlan.Tile(rows: rows, columns: columns)
  }
}
