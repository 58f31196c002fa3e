// The refusal of sizes that no machine has memory for.

package import Network

/// Bounds of what a network may be asked to be.
package enum MemoryLimit {
  /// Refuses sizes beyond all sense, so that their counts stay in range.
  package static func check(
    _ configuration: UNetConfiguration, tile: Int
  ) throws(ConfigurationError) {
    let bottleneck = configuration.channels(level: configuration.depth)
    guard bottleneck <= UNetMemory.widestBottleneck else {
      throw ConfigurationError(
        option: "base-channels",
        expected: "a bottleneck of at most \(UNetMemory.widestBottleneck) channels",
        found: "\(bottleneck)",
        hint: "take fewer --base-channels or a smaller --depth")
    }
    guard tile <= UNetMemory.largestTile else {
      throw ConfigurationError(
        option: "tile", expected: "at most \(UNetMemory.largestTile)", found: "\(tile)",
        hint: "images of any size are covered by tiles")
    }
  }
}
