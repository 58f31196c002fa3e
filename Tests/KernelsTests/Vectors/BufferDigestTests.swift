// The digest that tells replicas apart.

import Kernels
import Tensors
import TestSupport
import Testing
import Threading

@Suite struct BufferDigestTests {
  static let counts = [1, 63, 64, 100, 4096, 4097, 20_000]

  private static func digest(_ buffer: FloatBuffer, threads: Int = 2) -> UInt64 {
    let pieces = stride(from: 0, to: buffer.count, by: BufferDigest.pieceCount).map {
      $0..<min($0 + BufferDigest.pieceCount, buffer.count)
    }
    var digests = [UInt64](repeating: 0, count: pieces.count)
    return pieces.withUnsafeBufferPointer { pieces in
      digests.withUnsafeMutableBufferPointer { digests in
        guard let base = digests.baseAddress else { return 0 }
        BufferDigest.digest(
          buffer.base, pieces: pieces, into: base, on: ThreadTeam(count: threads))
        return BufferDigest.joined(UnsafeBufferPointer(digests))
      }
    }
  }

  /// Every bit of some floats, those at the borders of vectors and pieces among them.
  @Test(arguments: counts) func anyFlippedBitChangesIt(_ count: Int) {
    let buffer = FloatBuffer(repeatableValues(count: count, seed: 1))
    let before = Self.digest(buffer)
    var places = Set([0, 15, 16, 63, 64, 4095, 4096, count - 1].filter { $0 < count })
    for draw in 1...5 { places.insert(draw * 7919 % count) }
    for place in places {
      let value = buffer.base[place]
      for bit in 0..<32 {
        buffer.base[place] = Float(bitPattern: value.bitPattern ^ 1 << UInt32(bit))
        #expect(Self.digest(buffer) != before, "bit \(bit) of float \(place) of \(count)")
      }
      buffer.base[place] = value
    }
    #expect(Self.digest(buffer) == before)
  }

  @Test(arguments: counts) func anExchangeOfTwoFloatsChangesIt(_ count: Int) {
    let buffer = FloatBuffer(repeatableValues(count: count, seed: 2))
    let before = Self.digest(buffer)
    // Neighbours, the same lane of two vectors, and the same place of two pieces.
    for distance in [1, 16, 64, 4096] where distance < count {
      let (first, second) = (buffer.base[0], buffer.base[distance])
      (buffer.base[0], buffer.base[distance]) = (second, first)
      #expect(Self.digest(buffer) != before, "\(distance)")
      (buffer.base[0], buffer.base[distance]) = (first, second)
    }
  }

  @Test func signsOfAWholeBufferChangeIt() {
    let buffer = FloatBuffer(repeatableValues(count: 8192, seed: 3))
    let before = Self.digest(buffer)
    for index in 0..<8192 { buffer.base[index] = -buffer.base[index] }
    #expect(Self.digest(buffer) != before)
  }

  @Test(arguments: counts) func doesNotDependOnThreads(_ count: Int) {
    let buffer = FloatBuffer(repeatableValues(count: count, seed: 4))
    let digests = (1...3).map { Self.digest(buffer, threads: $0) }
    #expect(Set(digests).count == 1)
  }
}
