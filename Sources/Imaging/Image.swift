// A decoded raster image, as its file stored it.

/// A raster image: `height` rows of `width` pixels of `channels` interleaved samples.
package struct Image: Sendable, Equatable {
  /// The samples in rows from the top, channels interleaved: index (y * width + x) * channels + c.
  package enum Samples: Sendable, Equatable {
    /// Unsigned samples of 1...8 bits (of fewer than 8 they keep their raw values, not expanded).
    case uint8([UInt8])
    /// Unsigned samples of 9...16 bits.
    case uint16([UInt16])
    /// Unsigned 32-bit samples.
    case uint32([UInt32])
    /// Signed 8-bit samples.
    case int8([Int8])
    /// Signed 16-bit samples.
    case int16([Int16])
    /// Signed 32-bit samples.
    case int32([Int32])
    /// 32-bit floating point samples, as stored or from 16 or 64 bits.
    case float32([Float])
  }

  /// Columns.
  package let width: Int
  /// Rows.
  package let height: Int
  /// Samples a pixel: 1 for grey, 3 for RGB, any number for other measurements; alpha is none.
  package let channels: Int
  /// The significant bits of a sample: 1...16, or 32.
  package let bitsPerSample: Int
  /// The samples.
  package let samples: Samples
  /// Whether the file has alpha, which is dropped at decoding.
  package var hasLostAlpha = false
  /// Which samples are no measurement.
  package var missing: MissingSamples

  /// An image from its parts.
  ///
  /// - Precondition: sizes are positive, the sample count is width x height x channels.
  package init(width: Int, height: Int, channels: Int, bitsPerSample: Int, samples: Samples) {
    precondition(
      width > 0 && height > 0 && channels > 0, "an image of \(width) x \(height) x \(channels)")
    precondition(
      samples.count == width * height * channels,
      "\(samples.count) samples for an image of \(width) x \(height) x \(channels)")
    self.width = width
    self.height = height
    self.channels = channels
    self.bitsPerSample = bitsPerSample
    self.samples = samples
    missing = MissingSamples(channels: channels, isColour: channels == 3 && samples.arePicture)
  }
}

extension Image {
  /// The stored value whose intensity is 1.
  package var unit: Float {
    switch samples {
    case .uint8, .uint16: Float((1 << bitsPerSample) - 1)
    default: 1
    }
  }

  /// The samples as network inputs are made from them, in their stored order.
  ///
  /// Unsigned integers of at most 16 bits are fractions of their full range: divided by
  /// 2^bitsPerSample - 1, they lie in 0...1. Signed and 32-bit integers are measurements, such as
  /// counts or Hounsfield units, which seldom fill their range; like floating point samples they come
  /// as stored.
  ///
  /// - Complexity: one pass over the samples.
  package func intensities() -> [Float] {
    // Divided, not multiplied by an inverse: full range is then exactly 1.
    let unit = unit
    return switch samples {
    case .uint8(let values): values.map { Float($0) / unit }
    case .uint16(let values): values.map { Float($0) / unit }
    case .uint32(let values): values.map { Float($0) }
    case .int8(let values): values.map { Float($0) }
    case .int16(let values): values.map { Float($0) }
    case .int32(let values): values.map { Float($0) }
    case .float32(let values): values
    }
  }
}

extension Image.Samples {
  /// Whether they are of a type that pictures have, and not only measurements.
  fileprivate var arePicture: Bool {
    switch self {
    case .uint8, .uint16: true
    default: false
    }
  }

  /// The number of samples.
  package var count: Int {
    switch self {
    case .uint8(let values): values.count
    case .uint16(let values): values.count
    case .uint32(let values): values.count
    case .int8(let values): values.count
    case .int16(let values): values.count
    case .int32(let values): values.count
    case .float32(let values): values.count
    }
  }

  /// `count` samples of the same type, the one at an index taken from `place` of it.
  func gathered(count: Int, from place: (Int) -> Int) -> Self {
    func pick<Sample>(_ values: [Sample]) -> [Sample] { (0..<count).map { values[place($0)] } }
    return switch self {
    case .uint8(let values): .uint8(pick(values))
    case .uint16(let values): .uint16(pick(values))
    case .uint32(let values): .uint32(pick(values))
    case .int8(let values): .int8(pick(values))
    case .int16(let values): .int16(pick(values))
    case .int32(let values): .int32(pick(values))
    case .float32(let values): .float32(pick(values))
    }
  }

  /// These samples followed by others, or nil where those are of another type.
  func appending(_ other: Self) -> Self? {
    switch (self, other) {
    case (.uint8(let first), .uint8(let second)): .uint8(first + second)
    case (.uint16(let first), .uint16(let second)): .uint16(first + second)
    case (.uint32(let first), .uint32(let second)): .uint32(first + second)
    case (.int8(let first), .int8(let second)): .int8(first + second)
    case (.int16(let first), .int16(let second)): .int16(first + second)
    case (.int32(let first), .int32(let second)): .int32(first + second)
    case (.float32(let first), .float32(let second)): .float32(first + second)
    default: nil
    }
  }
}
