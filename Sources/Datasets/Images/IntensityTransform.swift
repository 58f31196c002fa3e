// How the intensities of one image become network inputs, by parts of it.

package import Imaging

/// What turns the intensities of an image into network inputs, found once of the whole image.
///
/// For every channel: x' = (min(max(x, low), high) unit - offset) scale / range, in Double, with the
/// intensities x of `Image.intensities()`; what is missing becomes a number of its own. Any part of the
/// image gives the bits that the whole gives there.
package struct IntensityTransform: Codable, Equatable, Sendable {
  /// The numbers of one channel.
  struct Channel: Codable, Equatable, Sendable {
    /// The intensities beyond which others are brought to them; nil for none.
    var low: Float?
    var high: Float?
    var unit = 1.0
    var offset = 0.0
    var scale = 1.0
    var range = 1.0
    /// What a pixel without a measurement becomes.
    var missing: Float = 0

    @inline(__always)
    func callAsFunction(_ intensity: Float) -> Float {
      var value = intensity
      if let low, let high { value = max(low, min(high, value)) }
      return Float((Double(value) * unit - offset) * scale / range)
    }
  }

  let channels: [Channel]
  /// The value of samples that are no measurement, in addition to what files name.
  let missingValue: Double?

  /// The inputs of a part of the image, height x width x channels.
  ///
  /// - Precondition: the part has the image's channels.
  package func inputs(of part: Image) -> [Float] {
    precondition(part.channels == channels.count, "\(part.channels) channels")
    let missing = part.missingPixels(missingValue)
    var inputs: [Float]
    if case .uint8(let samples) = part.samples {
      inputs = looked(up: samples, unit: part.unit)
    } else {
      inputs = part.intensities()
      for (number, channel) in channels.enumerated() {
        for index in stride(from: number, to: inputs.count, by: channels.count) {
          inputs[index] = channel(inputs[index])
        }
      }
    }
    if let missing {
      for index in inputs.indices where missing[index / channels.count] {
        inputs[index] = channels[index % channels.count].missing
      }
    }
    return inputs
  }

  /// The inputs of samples of one byte, of which there are few different ones.
  private func looked(up samples: [UInt8], unit: Float) -> [Float] {
    let table = channels.flatMap { channel in (0..<256).map { channel(Float($0) / unit) } }
    return [Float](unsafeUninitializedCapacity: samples.count) { inputs, count in
      var number = 0
      for (index, sample) in samples.enumerated() {
        inputs[index] = table[number << 8 | Int(sample)]
        number = number + 1 == channels.count ? 0 : number + 1
      }
      count = samples.count
    }
  }
}
