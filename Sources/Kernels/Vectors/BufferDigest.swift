// Digests of flat buffers: whether bits have changed, or two replicas hold the same.

package import Threading

/// Digests of 64 bits that guard against accidents, such as a bit that flips in memory.
///
/// Any change within a single float changes one for certain, since every step is a bijection of what
/// it takes in; any other change goes unseen with a probability of about 2^-32. It is no defence
/// against someone who wants two buffers to look alike.
package enum BufferDigest {
  /// The floats of which one digest is made at most.
  package static let pieceCount = blockSize

  /// Overwrites `digests` with those of the `pieces` of a buffer, by their bits.
  ///
  /// Each piece is digested by itself, 64 lanes side by side, so a digest does not depend on the number of
  /// threads; one read of the memory is all it costs.
  ///
  /// - Precondition: as many digests as pieces, which lie in the buffer.
  package static func digest(
    _ values: UnsafePointer<Float>, pieces: UnsafeBufferPointer<Range<Int>>,
    into digests: UnsafeMutablePointer<UInt64>, on team: ThreadTeam
  ) {
    let groups = (pieces.count + groupCount - 1) / groupCount
    team.forEach(groups, (values, pieces, digests)) { context, group, _ in
      let (values, pieces, digests) = context
      let start = group * groupCount
      for index in start..<min(start + groupCount, pieces.count) {
        let piece = pieces[index]
        digests[index] = digest(values + piece.lowerBound, count: piece.count)
      }
    }
  }

  /// Pieces that a thread digests in a row.
  private static let groupCount = 8

  /// One digest of many.
  package static func joined(_ digests: UnsafeBufferPointer<UInt64>) -> UInt64 {
    digests.reduce(UInt64(digests.count)) { mix($0, $1) }
  }

  /// A digest that one thread takes of one run of floats after the other.
  package struct Chain {
    /// The digest of all that was added so far, in this order.
    package private(set) var digest: UInt64

    /// The digest of nothing, which `seed` tells from others.
    package init(seed: UInt64) { digest = mix(0, seed) }

    /// Adds a run of floats, of any number.
    package mutating func add(_ values: UnsafePointer<Float>, count: Int) {
      digest = mix(digest, BufferDigest.digest(values, count: count))
    }
  }

  private typealias Lanes = SIMD16<UInt32>

  /// The digest of one piece.
  package static func digest(_ values: UnsafePointer<Float>, count: Int) -> UInt64 {
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
