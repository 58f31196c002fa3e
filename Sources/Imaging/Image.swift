// A decoded raster image, as its file stored it.

/// A raster image: `height` rows of `width` pixels of `channels` interleaved samples.
package struct Image: Sendable, Equatable {
  /// The samples in rows from the top, channels interleaved: index (y * width + x) * channels + c.
  package enum Samples: Sendable, Equatable {
    /// Unsigned 8-bit samples (files of fewer bits keep their raw values, not expanded).
    case uint8([UInt8])
    /// Unsigned 16-bit samples.
    case uint16([UInt16])
    /// 32-bit floating point samples, as stored.
    case float32([Float])
  }

  /// Columns.
  package let width: Int
  /// Rows.
  package let height: Int
  /// Samples a pixel: 1 (grey) or 3 (RGB) of one file, alpha is dropped at decoding; any number of
  /// several files joined.
  package let channels: Int
  /// The significant bits of an integer sample (1...16), 32 for floating point.
  package let bitsPerSample: Int
  /// The samples.
  package let samples: Samples

  /// An image from its parts.
  ///
  /// - Precondition: sizes and `channels` are positive, the sample count is
  ///   width x height x channels.
  package init(width: Int, height: Int, channels: Int, bitsPerSample: Int, samples: Samples) {
    let count =
      switch samples {
      case .uint8(let values): values.count
      case .uint16(let values): values.count
      case .float32(let values): values.count
      }
    precondition(
      width > 0 && height > 0 && channels > 0,
      "an image of \(width) x \(height) x \(channels)")
    precondition(
      count == width * height * channels,
      "\(count) samples for an image of \(width) x \(height) x \(channels)")
    self.width = width
    self.height = height
    self.channels = channels
    self.bitsPerSample = bitsPerSample
    self.samples = samples
  }
}

extension Image {
  /// The samples as fractions of their type's full range, in their stored order.
  ///
  /// Integers are divided by 2^bitsPerSample - 1, so that they lie in 0...1; floating point samples
  /// come as stored, whatever their range.
  ///
  /// - Complexity: one pass over the samples.
  package func intensities() -> [Float] {
    switch samples {
    case .uint8(let values):
      // Divided, not multiplied by an inverse: full range is then exactly 1.
      let full = Float((1 << bitsPerSample) - 1)
      return values.map { Float($0) / full }
    case .uint16(let values):
      let full = Float((1 << bitsPerSample) - 1)
      return values.map { Float($0) / full }
    case .float32(let values):
      return values
    }
  }
}
