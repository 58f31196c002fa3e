// How a transformed convolution divides tiles and channels into tasks.

/// How a transformed convolution shares out its work.
package enum TileSchedule: String, Sendable {
  /// A task is a block of tiles; the transformed weights are made once for all.
  case tileBlocks
  /// A task is a group of output channels; the transformed tiles are made once for all.
  case channelGroups

  // Measured choices; see docs/engine.md.
  /// Tiles times planes in a task of `tileBlocks`.
  static let blockValues = 2304
  /// Input channels whose products are summed before they are added up in memory: few where their
  /// transformed weights have to stay in a core's own cache.
  var deepestBlock: Int { self == .tileBlocks ? 256 : 64 }
  /// Tasks wanted, so that threads end together.
  static let wantedTasks = 8
  /// Tiles in a task at least.
  static let fewestTiles = 32
  /// The same where there are more threads than tasks of that many.
  static let finestTiles = 16
  /// Tiles up to which `channelGroups` is chosen, where weights are many.
  private static let fewTiles = 320
  /// Weights a tap from which they are many.
  private static let manyWeights = 65536

  init(planes: Int, tiles: Int, inputChannels: Int, outputChannels: Int) {
    self =
      tiles <= Self.fewTiles && inputChannels * outputChannels >= Self.manyWeights
      ? .channelGroups : .tileBlocks
  }
}

/// Into how many tasks work is cut beyond its plan, so that each of many threads has some.
///
/// Outputs alone are cut, of which every value has one task, so that bits do not depend on it.
enum FinerCut {
  /// Tasks that each thread should have, so that threads end together.
  static let tasksPerThread = 2

  /// Parts of a panel of `width` columns or rows, each of whole vectors: 1, 2 or 4, so that `tasks` become as many as
  /// the threads want.
  static func parts(of tasks: Int, width: Int, for threads: Int) -> Int {
    var parts = 1
    while parts < 4, tasks * parts < tasksPerThread * threads,
      (width / 16).isMultiple(of: 2 * parts)
    {
      parts *= 2
    }
    return parts
  }

  /// Blocks of a number of tiles, of which there are `blocks` by plan, in each of `tasks` tasks.
  static func blocks(_ blocks: Int, of tiles: Int, in tasks: Int, for threads: Int) -> Int {
    let wanted = (tasksPerThread * threads + tasks - 1) / tasks
    return max(blocks, min(wanted, tiles / TileSchedule.finestTiles))
  }
}

/// The tiles of an output, in rows from the top left.
struct TileGrid: Sendable {
  let down: Int
  let across: Int

  init(height: Int, width: Int, extent: Int) {
    down = (height + extent - 1) / extent
    across = (width + extent - 1) / extent
  }

  var count: Int { down * across }

  @inline(__always)
  func place(_ tile: Int) -> (row: Int, column: Int) {
    (tile / across, tile % across)
  }
}

/// Channels in groups as wide as a panel, as even as vectors allow.
struct ChannelGroups: Sendable {
  let channels: Int
  let count: Int
  private let vectors: Int

  init(_ channels: Int) {
    self.channels = channels
    vectors = (channels + 15) / 16
    count = (vectors * 16 + PanelProduct.widestPanel - 1) / PanelProduct.widestPanel
  }

  /// Channels with those that fill the last vector.
  var paddedChannels: Int { vectors * 16 }

  /// The columns that the widest group has in memory.
  var widest: Int { (vectors + count - 1) / count * 16 }

  /// The channels of a group; it begins at a multiple of 16.
  @inline(__always)
  func columns(_ group: Int) -> Range<Int> {
    group * vectors / count * 16..<min((group + 1) * vectors / count * 16, channels)
  }

  /// The columns that a group has in memory.
  @inline(__always)
  func paddedWidth(_ group: Int) -> Int {
    ((group + 1) * vectors / count - group * vectors / count) * 16
  }
}
