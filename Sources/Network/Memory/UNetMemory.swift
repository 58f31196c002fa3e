// How much memory a network takes, told before any of it is allocated.

import Tensors

/// The memory that a network takes on one rank.
package enum UNetMemory {
  /// The widest bottleneck that a network may have: wider ones are slips of the keyboard, and their
  /// counts would leave the range of integers.
  package static let widestBottleneck = 16_384

  /// The largest side of a tile, for the same reasons.
  package static let largestTile = 16_384

  /// Bytes of the activations for tiles of `height` x `width`, and of the workspace.
  ///
  /// - Precondition: both are legal tile sizes, and bottleneck and tile are within the limits
  ///   above.
  package static func activationByteCount(
    _ network: UNet, height: Int, width: Int, training: Bool, threads: Int,
    recomputation: Recomputation = .least
  ) -> Int {
    let plan = UNetActivationPlan(
      network, height: height, width: width, training: training, threads: threads,
      recomputation: recomputation)
    return plan.arena.floatCount * MemoryLayout<Float>.stride
  }
}
