// What a network has to be shown around a window so that nothing else changes what it says there.

import Datasets
import Network

/// The pixels around a window that decide what a network says in it, along an axis.
///
/// Without padding they are the network's margin. With padding they are what the same network would
/// take off without padding and two more, because its poolings begin at the tile's edge, not two
/// pixels inside, in whole pixels of the bottleneck.
///
/// The 2x2 convolution after nearest-neighbour upsampling reads the pixel behind each, and sees
/// padding beyond the end of its input. The error of one pixel at each level adds up to
/// 1 + 2 + ... + 2^(depth - 1) = 2^depth - 1 pixels at the output, behind the window alone.
struct WindowContext {
  /// Pixels before the window.
  let leading: Int
  /// Pixels behind it.
  let trailing: Int
  /// The side of a pixel of the bottleneck, of which windows are multiples: on this grid a U-Net sees
  /// the same thing the same way.
  let grid: Int

  /// The context for a network; both ends need the larger one where tiles are flipped.
  init(_ configuration: UNetConfiguration, isSymmetric: Bool) {
    let grid = 1 << configuration.depth
    func whole(_ pixels: Int) -> Int { (pixels + grid - 1) / grid * grid }
    let end = configuration.upsampling == .nearest ? grid - 1 : 0
    if configuration.padding == .valid {
      trailing = configuration.margin + end
      leading = configuration.margin + (isSymmetric ? whole(end) : 0)
    } else {
      var unpadded = configuration
      unpadded.padding = .valid
      trailing = whole(unpadded.margin + 2 + end)
      leading = isSymmetric ? trailing : whole(unpadded.margin + 2)
    }
    self.grid = grid
  }

  /// The most that a window can be in a tile; it is whole where it is that of this context.
  func space(
    in tile: Int, of configuration: UNetConfiguration
  ) -> (leading: Int, side: Int, isWhole: Bool) {
    let side = tile - leading - trailing
    let affordable = configuration.padding == .valid ? tile : tile / 2
    return (leading, max(0, side), side > 0 && leading + trailing <= affordable)
  }

  /// The smallest legal tile with room for a window of this side, or nil where there is none.
  func smallestTile(for side: Int, of configuration: UNetConfiguration) -> WindowShape? {
    let least = leading + side + trailing
    guard least <= UNetMemory.largestTile else { return nil }
    // Legal sides are 2^depth apart.
    let tile = (least...min(least + 2 * grid, UNetMemory.largestTile)).first {
      configuration.outputSide(tile: $0) != nil
    }
    return tile.map { WindowShape(inputSide: $0, leading: leading, side: side) }
  }
}
