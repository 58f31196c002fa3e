// Labels written as a mask of the values that the training's masks had.

package import Imaging

extension ClassMapping {
  /// Whether a mask of 16 bits can hold the values: they are in 0...65535.
  package var areValuesStorable: Bool {
    values.allSatisfy { (0...Int(UInt16.max)).contains($0.red) }
  }

  /// The mask whose labels are `labels`, height x width: the inverse of ``labels(of:path:)``.
  ///
  /// It is grey where all values are, else RGB, and has 8 bits a sample where they suffice, else 16.
  ///
  /// - Precondition: the count fits the size, every label is that of a class, and
  ///   ``areValuesStorable``.
  package func mask(of labels: [UInt8], width: Int, height: Int) -> Image {
    precondition(labels.count == width * height, "\(labels.count) labels for \(width) x \(height)")
    precondition(areValuesStorable, "mask values beyond 16 bits")
    let channels = values.allSatisfy(\.isGrey) ? 1 : 3
    let parts = values.flatMap { [$0.red, $0.green, $0.blue].prefix(channels) }
    func samples<Sample: FixedWidthInteger>(_: Sample.Type) -> [Sample] {
      var result: [Sample] = []
      result.reserveCapacity(labels.count * channels)
      for label in labels {
        for channel in 0..<channels {
          result.append(Sample(parts[Int(label) * channels + channel]))
        }
      }
      return result
    }
    let isWide = parts.contains { $0 > Int(UInt8.max) }
    return Image(
      width: width, height: height, channels: channels, bitsPerSample: isWide ? 16 : 8,
      samples: isWide ? .uint16(samples(UInt16.self)) : .uint8(samples(UInt8.self)))
  }
}
