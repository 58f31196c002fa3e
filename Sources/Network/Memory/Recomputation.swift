// Which activations a backward pass computes again instead of keeping them: time for memory.

/// Levels of the network of which only what is dear is kept for the backward pass.
///
/// The first convolution of all, the largest and the cheapest, is always computed again. In a level that is
/// recomputed so are the first convolution of its contracting path, out of the pooled features, and the
/// up-convolution and first convolution of its expansive path, out of what is kept of the level below and of
/// the skip; kept are the pooled features, the skip and the last convolution. Bits do not depend on it.
///
/// Level 0 is never one: when its last convolution is taken back all of it is there anyway, so that the most
/// memory would be the same.
package struct Recomputation: Sendable, Hashable {
  /// The levels 1...levels.
  package let levels: Int

  /// Recomputes the levels 1...`levels`; with 0 the first convolution only.
  ///
  /// - Precondition: `levels` is not negative.
  package init(levels: Int) {
    precondition(levels >= 0, "\(levels) levels")
    self.levels = levels
  }

  /// The first convolution of the network only.
  package static let least = Recomputation(levels: 0)

  /// The units of a network that are computed again, by their places in `UNet.layers`.
  func units(of network: UNet) -> Set<Int> {
    var units = [network.down[0].first]
    for level in 1..<max(1, min(levels, network.configuration.depth) + 1) {
      units.append(network.down[level].first)
      if level < network.configuration.depth {
        units += [network.up[level].upConvolution, network.up[level].first]
      }
    }
    return Set(units.map(\.index))
  }
}
