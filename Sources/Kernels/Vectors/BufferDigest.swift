// A digest of a flat buffer: whether two replicas hold the same bits.

package import Threading

/// A digest of 64 bits that guards against accidents, such as a bit that flips in memory.
///
/// Any change within a single float changes it for certain, since every step is a bijection of what
/// it takes in; any other change goes unseen with a probability of about 2^-32. It is no defence
/// against someone who wants two buffers to look alike.
package enum BufferDigest {
  /// Digests of blocks that `digest` needs room for.
  package static func workspaceCount(_ count: Int) -> Int { blockCount(count) }

  /// The digest of `count` floats by their bits.
  ///
  /// Pieces of a fixed size are digested by themselves, 64 lanes side by side, so it does not depend
  /// on the number of threads; one read of the memory is all it costs.
  package static func digest(
    _ values: UnsafePointer<Float>, count: Int, workspace: UnsafeMutablePointer<UInt64>,
    on team: ThreadTeam
  ) -> UInt64 {
    forEachBlock(count, (values, workspace), on: team) { context, block in
      let (values, workspace) = context
      workspace[block.lowerBound / blockSize] = blockDigest(
        values + block.lowerBound, count: block.count)
    }
    var digest = UInt64(count)
    for block in 0..<blockCount(count) { digest = mix(digest, workspace[block]) }
    return digest
  }

  /// A digest that one thread takes of one run of floats after the other.
  package struct Chain {
    /// The digest of all that was added so far, in this order.
    package private(set) var digest: UInt64

    /// The digest of nothing, which `seed` tells from others.
    package init(seed: UInt64) { digest = mix(0, seed) }

    /// Adds a run of floats, of which a call may have up to a block.
    package mutating func add(_ values: UnsafePointer<Float>, count: Int) {
      digest = mix(digest, blockDigest(values, count: count))
    }
  }

  private typealias Lanes = SIMD16<UInt32>

  /// The digest of one block.
  private static func blockDigest(_ values: UnsafePointer<Float>, count: Int) -> UInt64 {
    let bits = UnsafeRawPointer(values)
    func lanes(_ index: Int) -> Lanes {
      bits.loadUnaligned(fromByteOffset: 4 &* index, as: Lanes.self)
    }
    // Four chains, so that one multiplication need not wait for another.
    var (a, b, c, d) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    var index = 0
    while index &+ 64 <= count {
      a = mix(a, lanes(index))
      b = mix(b, lanes(index &+ 16))
      c = mix(c, lanes(index &+ 32))
      d = mix(d, lanes(index &+ 48))
      index &+= 64
    }
    var digest = UInt64(0)
    while index < count {
      digest = mix(digest, UInt64(values[index].bitPattern))
      index &+= 1
    }
    for chain in [a, b, c, d] {
      for lane in 0..<16 { digest = mix(digest, UInt64(chain[lane])) }
    }
    return digest
  }

  // The multipliers are odd, so that a product can be undone; those of MurmurHash3's finalisers.

  @inline(__always)
  private static func mix(_ digest: Lanes, _ bits: Lanes) -> Lanes {
    let product = (digest ^ bits) &* 0x85EB_CA6B
    return product ^ (product &>> 15)
  }

  private static func mix(_ digest: UInt64, _ bits: UInt64) -> UInt64 {
    let product = (digest ^ bits) &* 0xFF51_AFD7_ED55_8CCD
    return product ^ (product &>> 33)
  }
}
