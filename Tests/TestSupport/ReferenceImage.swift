// One sample, channels-last: what the reference kernels take and give.

/// One sample of H x W x C values, channels-last: value (y, x, c) is at (y * W + x) * C + c.
package struct ReferenceImage: Equatable, Sendable {
  /// Rows, H.
  package var height: Int
  /// Columns, W.
  package var width: Int
  /// Channels, C.
  package var channels: Int
  /// The values, row after row.
  package var values: [Float]

  /// An image of the given values.
  ///
  /// - Precondition: There are height * width * channels values.
  package init(height: Int, width: Int, channels: Int, values: [Float]) {
    precondition(
      values.count == height * width * channels,
      "\(values.count) values for an image of \(height) x \(width) x \(channels)")
    self.height = height
    self.width = width
    self.channels = channels
    self.values = values
  }

  /// An image that rounds sums once, when they are complete.
  init(height: Int, width: Int, channels: Int, sums: [Double]) {
    self.init(height: height, width: width, channels: channels, values: sums.map { Float($0) })
  }

  /// An image of repeatable values in -1..<1; another seed gives others.
  package static func random(
    height: Int, width: Int, channels: Int, seed: UInt64
  ) -> ReferenceImage {
    ReferenceImage(
      height: height, width: width, channels: channels,
      values: repeatableValues(count: height * width * channels, seed: seed))
  }

  /// Where the value (y, x, c) is.
  package func index(_ y: Int, _ x: Int, _ c: Int) -> Int { (y * width + x) * channels + c }

  /// The value (y, x, c).
  package subscript(y: Int, x: Int, c: Int) -> Float {
    get { values[index(y, x, c)] }
    set { values[index(y, x, c)] = newValue }
  }
}

/// Values in -1..<1 that depend on the seed alone, for inputs and weights of tests.
///
/// The generator is SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014), so that the oracle shares no code with what it judges.
package func repeatableValues(count: Int, seed: UInt64) -> [Float] {
  var state = seed
  return (0..<count).map { _ in
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    word ^= word >> 31
    return Float(word >> 40) / Float(1 << 23) - 1
  }
}
