// Powers of numbers, and a table of them for many.

/// Powers by basic operations alone, so that no C library decides the bits of a tile.
package enum Powers {
  /// base^exponent for a base in 0...1, within 1e-5 of it; 0 for a base of 0.
  @inline(__always)
  package static func power(_ base: Float, _ exponent: Float) -> Float {
    base > 0 ? exponential2(exponent * logarithm2(base)) : 0
  }

  /// e^x for x <= 0.
  static func exponential(_ x: Float) -> Float { exponential2(x * 1.442_695_04) }

  /// log2 of a positive number: its exponent, and the series of artanh for its fraction.
  @inline(__always)
  static func logarithm2(_ x: Float) -> Float {
    let bits = max(x, .leastNormalMagnitude).bitPattern
    let exponent = Float(Int32(bits >> 23) - 127)
    let fraction = Float(bitPattern: bits & 0x7F_FFFF | 0x3F80_0000)
    let r = (fraction - 1) / (fraction + 1)
    let square = r * r
    let series =
      1 + square
      * (1 / 3 + square * (1 / 5 + square * (1 / 7 + square * (1 / 9 + square * (1 / 11 as Float)))))
    return exponent + r * series * 2.885_390_08
  }

  /// 2^x for -126 <= x <= 0, 0 below: whole powers by the exponent, the rest by Taylor's series.
  @inline(__always)
  static func exponential2(_ x: Float) -> Float {
    guard x >= -126 else { return 0 }
    let whole = x.rounded(.down)
    let t = (x - whole) * 0.693_147_18
    let series =
      1 + t
      * (1 + t
        * (1 / 2 + t
          * (1 / 6 + t * (1 / 24 + t * (1 / 120 + t * (1 / 720 + t * (1 / 5040 as Float)))))))
    return series * Float(bitPattern: UInt32(Int32(whole) + 127) << 23)
  }
}

/// The powers of numbers in 0...1 to one exponent, by lines between values in a table.
///
/// Each power of two is parted into 128 equal steps, so that a line is off by at most
/// |e (e - 1)| / (8 * 128^2) of the value: 2e-6 for exponents of 0.7 to 1.5.
package struct PowerTable {
  private let exponent: Float
  /// The powers at the steps from `smallest` to 1, and one more.
  private let values: [Float]

  /// Smaller numbers are raised one by one.
  private static let smallest: Float = 0x1p-16
  /// The bits of a float behind those of its step.
  private static let restBits: UInt32 = 16
  private static var firstStep: UInt32 { smallest.bitPattern >> restBits }

  package init(exponent: Float) {
    self.exponent = exponent
    let last = Float(1).bitPattern >> Self.restBits
    values = (Self.firstStep...last + 1).map { step in
      // Beyond 1 a line is never followed.
      Powers.power(min(1, Float(bitPattern: step << Self.restBits)), exponent)
    }
  }

  /// values := smallest + range * ((values - smallest) / range)^exponent, for values from `smallest` to
  /// `smallest + range`.
  func raise(
    _ targets: UnsafeMutableBufferPointer<Float>, from smallest: Float, over range: Float
  ) {
    let scale = 1 / range
    values.withUnsafeBufferPointer { values in
      for index in targets.indices {
        // A rounding may lead beyond 1.
        let part = min(1, (targets[index] - smallest) * scale)
        targets[index] = smallest + range * power(part, values)
      }
    }
  }

  /// base^exponent for a base in 0...1.
  package func callAsFunction(_ base: Float) -> Float {
    values.withUnsafeBufferPointer { power(base, $0) }
  }

  @inline(__always)
  private func power(_ base: Float, _ values: UnsafeBufferPointer<Float>) -> Float {
    guard base >= Self.smallest else { return Powers.power(base, exponent) }
    let bits = base.bitPattern
    let step = Int(bits >> Self.restBits &- Self.firstStep)
    let rest = Float(bits & (1 << Self.restBits - 1)) * (1 / Float(1 << Self.restBits))
    return values[step] + (values[step + 1] - values[step]) * rest
  }
}
