// The refusal of sizes that no machine has memory for.

import Network

/// Bounds of what a network may be asked to be.
package enum MemoryLimit {
  /// Refuses sizes beyond all sense, so that their counts stay in range.
  package static func check(
    _ configuration: UNetConfiguration, tile: Int
  ) throws(ConfigurationError) {
    let bridge = configuration.channels(level: configuration.depth)
    guard bridge <= UNetMemory.largestBridge else {
      throw ConfigurationError(
        option: "base-channels",
        expected: "a bridge of at most \(UNetMemory.largestBridge) channels", found: "\(bridge)",
        hint: "take fewer --base-channels or a smaller --depth")
    }
    guard tile <= UNetMemory.largestTile else {
      throw ConfigurationError(
        option: "tile", expected: "at most \(UNetMemory.largestTile)", found: "\(tile)",
        hint: "images of any size are covered by tiles")
    }
  }
}
