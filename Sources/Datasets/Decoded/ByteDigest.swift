// A fast digest of bytes, by which files that have changed by themselves are found.

/// A digest of bytes: no protection against anybody, but of every single change, and of zeros in place of bytes.
///
/// Words of eight bytes go to four lanes in turn, `lane = rotate(lane ^ word, 29) * odd`, which is a bijection
/// of the word at each step. The count, the lanes and what is left of the bytes go to one lane in the same way.
enum ByteDigest {
  private static let odd: UInt64 = 0x9E37_79B9_7F4A_7C15

  static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var lanes = SIMD4<UInt64>(1, 2, 3, 4)
    let wordCount = bytes.count / 32 * 4
    for place in stride(from: 0, to: wordCount * 8, by: 32) {
      lanes = step(lanes, bytes.loadUnaligned(fromByteOffset: place, as: SIMD4<UInt64>.self))
    }
    var result = UInt64(bytes.count)
    for lane in 0..<4 { result = step(result, lanes[lane]) }
    for byte in bytes[(wordCount * 8)...] { result = step(result, UInt64(byte)) }
    return result
  }

  private static func step(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    let mixed = lane ^ word
    return (mixed << 29 | mixed >> 35) &* odd
  }

  @inline(__always)
  private static func step(_ lanes: SIMD4<UInt64>, _ words: SIMD4<UInt64>) -> SIMD4<UInt64> {
    let mixed = lanes ^ words
    return ((mixed &<< 29) | (mixed &>> 35)) &* SIMD4(repeating: odd)
  }
}
