// How much memory a network takes, told before any of it is allocated.

/// The memory that a network takes on one rank.
public enum UNetMemory {
  /// The widest bridge that a network may have: wider ones are slips of the keyboard, and their
  /// counts would leave the range of integers.
  public static let largestBridge = 16_384

  /// The largest side of a tile, for the same reasons.
  public static let largestTile = 16_384

  /// Bytes of the parameters, `copies` times, and of the activations for square tiles.
  ///
  /// - Precondition: the tile is legal, and bridge and tile are within the limits above.
  public static func byteCount(
    _ network: UNet, tile: Int, training: Bool, threads: Int, copies: Int
  ) -> Int {
    let plan = UNetActivationPlan(
      network, height: tile, width: tile, training: training, threads: threads)
    return (plan.arena.floatCount + copies * network.layout.count) * MemoryLayout<Float>.stride
  }
}
