// The refusal of networks that the machine has no memory for.

import Foundation
import Network

/// The memory of this machine, against what a network takes.
public enum MemoryLimit {
  /// Refuses a network whose buffers for square tiles the host's memory does not hold, before they
  /// are allocated.
  ///
  /// - Parameters:
  ///   - copies: buffers of the size of the parameters: the parameters, gradients, optimiser state.
  ///   - hostRanks: the ranks that share the host's memory.
  /// - Throws: `ConfigurationError` naming the option that is too large.
  public static func check(
    _ network: UNet, tile: Int, training: Bool, threads: Int, copies: Int, hostRanks: Int
  ) throws(ConfigurationError) {
    try check(
      network, height: tile, width: tile, training: training, threads: threads, copies: copies,
      hostRanks: hostRanks)
  }

  /// The same for tiles of `height` x `width`.
  public static func check(
    _ network: UNet, height: Int, width: Int, training: Bool, threads: Int, copies: Int,
    hostRanks: Int
  ) throws(ConfigurationError) {
    try check(network.configuration, tile: max(height, width))
    let activations = UNetMemory.activationByteCount(
      network, height: height, width: width, training: training, threads: threads)
    let needed = activations + copies * network.layout.count * MemoryLayout<Float>.stride
    let tile = height == width ? "\(height)" : "\(width)x\(height)"
    let available = Int(clamping: ProcessInfo.processInfo.physicalMemory) / max(1, hostRanks)
    guard needed <= available else {
      throw ConfigurationError(
        option: "tile",
        expected: "a network that \(available >> 20) MiB a rank hold",
        found: "\(tile) with base channels \(network.configuration.baseChannels) and depth "
          + "\(network.configuration.depth), which take \(needed >> 20) MiB",
        hint: "take a smaller --tile or --base-channels, or fewer ranks a host")
    }
  }

  /// Refuses sizes beyond all sense, so that their counts stay in range.
  public static func check(
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
