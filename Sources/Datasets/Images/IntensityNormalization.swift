// How stored intensities become network inputs.

package import Files
package import Imaging

/// The rule that turns an image's intensities into network inputs; stored in checkpoints.
///
/// A network has to see at prediction what it saw in training, so the rule travels with the
/// weights.
package struct IntensityNormalization: Codable, Sendable, Equatable {
  /// The rules there are.
  package enum Rule: String, Codable, Sendable, CaseIterable {
    /// Mean 0 and standard deviation 1, for each image and each channel by itself.
    case standardized = "per-image-standardized"
    /// Intensities as they are, 0...1 for integer samples.
    case unchanged
  }

  /// The rule in use.
  package let rule: Rule
  /// A channel whose standard deviation is at most this part of its mean counts as constant.
  package let floor: Double

  /// A normalisation by this rule.
  package init(rule: Rule = .standardized, floor: Double = 1e-6) {
    self.rule = rule
    self.floor = floor
  }

  /// The rule that a file holds; what an older file does not name is as it was then, the default.
  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let initial = IntensityNormalization()
    self.init(
      rule: try values.decodeIfPresent(Rule.self, forKey: .rule) ?? initial.rule,
      floor: try values.decodeIfPresent(Double.self, forKey: .floor) ?? initial.floor)
  }

  /// The inputs of an image, height x width x channels.
  ///
  /// - Throws: `FileError` naming `path` when a sample is not a finite number.
  package func normalized(_ image: Image, path: String) throws(FileError) -> [Float] {
    var pixels = image.intensities()
    guard apply(to: &pixels, channels: image.channels) else {
      throw FileError(
        .nonFiniteSamples, path: path, expected: "finite samples",
        found: "infinite ones or NaN", hint: "replace them before training")
    }
    return pixels
  }

  /// Normalises the pixels of one image in place; false when a sample is not finite.
  ///
  /// For every channel: x' = (x - mean) / deviation, with the mean and the (population) standard
  /// deviation over the pixels, summed in Double from the first pixel to the last. A constant
  /// channel becomes zeros.
  package func apply(to pixels: inout [Float], channels: Int) -> Bool {
    precondition(
      channels > 0 && pixels.count % channels == 0,
      "\(pixels.count) values are no pixels of \(channels) channels")
    let count = pixels.count / channels
    var isFinite = true
    pixels.withUnsafeMutableBufferPointer { values in
      for channel in 0..<channels {
        let indices = stride(from: channel, to: values.count, by: channels)
        var sum = 0.0
        for index in indices { sum += Double(values[index]) }
        guard sum.isFinite else {
          isFinite = false
          return
        }
        guard rule == .standardized else { continue }
        let mean = sum / Double(count)
        var squares = 0.0
        for index in indices {
          let difference = Double(values[index]) - mean
          squares += difference * difference
        }
        let deviation = (squares / Double(count)).squareRoot()
        // Below the floor the differences are rounding errors of a constant, not a picture.
        let scale = deviation > floor * abs(mean) ? 1 / deviation : 0
        for index in indices {
          values[index] = Float((Double(values[index]) - mean) * scale)
        }
      }
    }
    return isFinite
  }
}
