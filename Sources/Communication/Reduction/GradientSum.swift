// The additions that gradients are summed by, in float32 or rounded to bfloat16.

/// How gradients are sent.
package enum Compression: String, Codable, CaseIterable, Sendable {
  /// As float32.
  case none
  /// As bfloat16: half the bytes, 8 bits of precision.
  ///
  /// The gradient of every sample is rounded, and so is every sum in the tree after it was added in
  /// float32. So what is sent needs no more than 16 bits a value, whatever nodes a rank has, and the
  /// bits still do not depend on the number of ranks.
  case bf16
}

/// Element by element, so the bits are those of single floats, however a buffer is cut.
package enum GradientSum {
  /// target := left + right, then rounded as `compression` says; `target` may be `left`.
  package static func add(
    _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>,
    into target: UnsafeMutablePointer<Float>, count: Int, compression: Compression
  ) {
    var index = 0
    while index + 16 <= count {
      let sum =
        UnsafeRawPointer(left + index).loadUnaligned(as: SIMD16<Float>.self)
        + UnsafeRawPointer(right + index).loadUnaligned(as: SIMD16<Float>.self)
      UnsafeMutableRawPointer(target + index).storeBytes(
        of: compression == .bf16 ? BFloat16.rounded(sum) : sum, as: SIMD16<Float>.self)
      index += 16
    }
    while index < count {
      let sum = left[index] + right[index]
      target[index] = compression == .bf16 ? BFloat16.rounded(sum) : sum
      index += 1
    }
  }

  /// Rounds values as `compression` says.
  package static func round(
    _ values: UnsafeMutablePointer<Float>, count: Int, compression: Compression
  ) {
    guard compression == .bf16 else { return }
    var index = 0
    while index + 16 <= count {
      let part = UnsafeRawPointer(values + index).loadUnaligned(as: SIMD16<Float>.self)
      UnsafeMutableRawPointer(values + index).storeBytes(
        of: BFloat16.rounded(part), as: SIMD16<Float>.self)
      index += 16
    }
    while index < count {
      values[index] = BFloat16.rounded(values[index])
      index += 1
    }
  }
}

/// The upper half of a float32: sign, 8 bits of exponent, 7 of the fraction.
enum BFloat16 {
  /// The nearest bfloat16, ties to even; infinities and NaN stay what they are.
  @inline(__always)
  static func rounded(_ values: SIMD16<Float>) -> SIMD16<Float> {
    let bits = unsafeBitCast(values, to: SIMD16<UInt32>.self)
    let odd = (bits &>> 16) & 1
    let nearest = (bits &+ 0x7FFF &+ odd) & 0xFFFF_0000
    // All bits where the size is beyond infinity's; a mask of comparisons would be taken lane by lane.
    let size = unsafeBitCast(bits & 0x7FFF_FFFF, to: SIMD16<Int32>.self)
    let isNaN = unsafeBitCast((0x7F80_0000 &- size) &>> 31, to: SIMD16<UInt32>.self)
    let result = (nearest & ~isNaN) | (((bits & 0xFFFF_0000) | 0x0040_0000) & isNaN)
    return unsafeBitCast(result, to: SIMD16<Float>.self)
  }

  /// The nearest bfloat16 of one value.
  @inline(__always)
  static func rounded(_ value: Float) -> Float {
    let bits = value.bitPattern
    guard bits & 0x7FFF_FFFF <= 0x7F80_0000 else {
      return Float(bitPattern: bits & 0xFFFF_0000 | 0x0040_0000)
    }
    return Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
  }

  /// Writes the upper halves of `values`, whose lower halves are 0, to `halves`, which may be where
  /// the values begin.
  static func pack(
    _ values: UnsafePointer<Float>, into halves: UnsafeMutableRawPointer, count: Int
  ) {
    let values = UnsafeRawPointer(values)
    var index = 0
    while index + 16 <= count {
      let bits = values.loadUnaligned(fromByteOffset: 4 * index, as: SIMD16<UInt32>.self)
      halves.storeBytes(
        of: SIMD16<UInt16>(truncatingIfNeeded: bits &>> 16), toByteOffset: 2 * index,
        as: SIMD16<UInt16>.self)
      index += 16
    }
    while index < count {
      let bits = values.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
      halves.storeBytes(
        of: UInt16(truncatingIfNeeded: bits >> 16), toByteOffset: 2 * index, as: UInt16.self)
      index += 1
    }
  }

  /// Writes the values of `halves` to `values`, of which they may be the second half: what is written
  /// is never beyond what was read.
  static func unpack(
    _ halves: UnsafeRawPointer, into values: UnsafeMutablePointer<Float>, count: Int
  ) {
    let values = UnsafeMutableRawPointer(values)
    var index = 0
    while index + 16 <= count {
      let upper = halves.loadUnaligned(fromByteOffset: 2 * index, as: SIMD16<UInt16>.self)
      values.storeBytes(
        of: SIMD16<UInt32>(truncatingIfNeeded: upper) &<< 16, toByteOffset: 4 * index,
        as: SIMD16<UInt32>.self)
      index += 16
    }
    while index < count {
      let upper = halves.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
      values.storeBytes(of: UInt32(upper) << 16, toByteOffset: 4 * index, as: UInt32.self)
      index += 1
    }
  }
}
