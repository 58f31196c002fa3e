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
    /// The same after intensities beyond two percentiles of the channel were brought to them.
    case percentiles = "per-image-percentiles"
    /// Less the mean and divided by the standard deviation of the channel in the training set.
    case set = "set-standardized"
    /// Intensities as they are, 0...1 for unsigned samples; or with `bounds` these stored values at 0 and
    /// at 1.
    case unchanged
  }

  /// Two values of which the first is lower.
  package struct Bounds: Codable, Sendable, Equatable {
    /// The lower.
    package let low: Double
    /// The upper.
    package let high: Double

    /// Bounds, or nil where they are not finite and ascending.
    package init?(low: Double, high: Double) {
      guard low.isFinite, high.isFinite, low < high else { return nil }
      (self.low, self.high) = (low, high)
    }
  }

  /// The mean and the standard deviation of a channel's intensities.
  package struct Statistics: Codable, Sendable, Equatable {
    let mean: Double
    let deviation: Double
  }

  /// The rule in use.
  package let rule: Rule
  /// A channel whose standard deviation is at most this part of its mean counts as constant.
  package let floor: Double
  /// The percentiles in 0...100 of `percentiles`, or the stored values of `unchanged`.
  package let bounds: Bounds?
  /// The statistics of each channel of `set`.
  package private(set) var channels: [Statistics]?
  /// The value of samples that are no measurement, in addition to what files name.
  package let missingValue: Double?

  /// The percentiles unless told otherwise.
  package static let usualPercentiles = Bounds(low: 0.5, high: 99.5)

  /// A normalisation by this rule.
  package init(
    rule: Rule = .standardized, floor: Double = 1e-6, bounds: Bounds? = nil,
    missingValue: Double? = nil
  ) {
    self.rule = rule
    self.floor = floor
    self.bounds = bounds ?? (rule == .percentiles ? Self.usualPercentiles : nil)
    self.missingValue = missingValue
  }

  /// The rule that a file holds; what an older file does not name is as it was then, the default.
  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let initial = IntensityNormalization()
    self.init(
      rule: try values.decodeIfPresent(Rule.self, forKey: .rule) ?? initial.rule,
      floor: try values.decodeIfPresent(Double.self, forKey: .floor) ?? initial.floor,
      bounds: try values.decodeIfPresent(Bounds.self, forKey: .bounds),
      missingValue: try values.decodeIfPresent(Double.self, forKey: .missingValue))
    channels = try values.decodeIfPresent([Statistics].self, forKey: .channels)
  }

  /// The rule with the statistics of a set's images with these ids, where it needs them.
  ///
  /// Sums are taken in Double, from the first pixel of the first image to the last.
  ///
  /// - Throws: `FileError` for an image that cannot be decoded, or with a sample that is infinite.
  package func fitted(to index: SampleIndex, ids: [Int]) throws -> IntensityNormalization {
    guard rule == .set, let count = index.channels else { return self }
    var sums = [(count: Double, first: Double, second: Double)](repeating: (0, 0, 0), count: count)
    for entry in ids.map({ index.entries[$0] }) {
      let image = try entry.image()
      let missing = image.missingPixels(missingValue)
      let values = image.intensities()
      try Self.check(values, missing, channels: count, path: entry.imagePath)
      for channel in 0..<count {
        // An image's own sums first, which keeps the large one exact.
        var own = (count: 0.0, first: 0.0, second: 0.0)
        for pixel in 0..<values.count / count where missing?[pixel] != true {
          let value = Double(values[pixel * count + channel])
          own = (own.count + 1, own.first + value, own.second + value * value)
        }
        sums[channel].count += own.count
        sums[channel].first += own.first
        sums[channel].second += own.second
      }
    }
    var result = self
    result.channels = sums.map { sum in
      let mean = sum.first / max(1, sum.count)
      let variance = max(0, sum.second / max(1, sum.count) - mean * mean)
      return Statistics(mean: mean, deviation: variance.squareRoot())
    }
    return result
  }

  /// The inputs of an image, height x width x channels.
  ///
  /// Pixels that hold no measurement (`Image.missingPixels`) become the mean of their channel in the image,
  /// or in the set where that is the rule.
  ///
  /// - Throws: `FileError` naming `path` when another sample is infinite, or the set had other channels.
  package func normalized(_ image: Image, path: String) throws(FileError) -> [Float] {
    var pixels = image.intensities()
    let missing = image.missingPixels(missingValue)
    try Self.check(pixels, missing, channels: image.channels, path: path)
    if rule == .set, channels?.count != image.channels {
      throw FileError(
        .channelsDiffer, path: path,
        expected: "\(channels?.count ?? 0) channels, as the training set had",
        found: "\(image.channels)", hint: "convert the image")
    }
    if let missing { clear(missing, of: &pixels, channels: image.channels) }
    apply(to: &pixels, missing: missing, channels: image.channels, unit: Double(image.unit))
    return pixels
  }

  private static func check(
    _ pixels: [Float], _ missing: [Bool]?, channels: Int, path: String
  ) throws(FileError) {
    let isFinite = pixels.indices.allSatisfy {
      pixels[$0].isFinite || missing?[$0 / channels] == true
    }
    guard isFinite else {
      throw FileError(
        .nonFiniteSamples, path: path, expected: "finite samples", found: "infinite ones",
        hint: "replace them before training, by NaN where there is no measurement")
    }
  }

  /// Writes zeros over pixels without a measurement, which may be NaN.
  private func clear(_ missing: [Bool], of pixels: inout [Float], channels: Int) {
    for index in pixels.indices where missing[index / channels] { pixels[index] = 0 }
  }

  /// Normalises the finite pixels of one image in place.
  ///
  /// For every channel: x' = (x - mean) / deviation, with the mean and the (population) standard
  /// deviation over the pixels, summed in Double from the first pixel to the last, or those of the set. A
  /// constant channel becomes zeros. Missing pixels are not summed, and become the mean.
  ///
  /// - Parameter unit: the stored value whose intensity is 1, for `bounds` of stored values.
  package func apply(
    to pixels: inout [Float], missing: [Bool]? = nil, channels: Int, unit: Double = 1
  ) {
    precondition(
      channels > 0 && pixels.count % channels == 0,
      "\(pixels.count) values are no pixels of \(channels) channels")
    for channel in 0..<channels {
      var values = stride(from: channel, to: pixels.count, by: channels).map { pixels[$0] }
      normalize(&values, missing, channel: channel, unit: unit)
      for (pixel, value) in values.enumerated() { pixels[pixel * channels + channel] = value }
    }
  }

  private func normalize(
    _ values: inout [Float], _ missing: [Bool]?, channel: Int, unit: Double
  ) {
    if rule == .percentiles { clip(&values, missing) }
    let own = Self.statistics(values, missing)
    switch rule {
    case .standardized, .percentiles:
      standardize(&values, missing, by: own)
    case .set:
      standardize(&values, missing, by: channels?[channel] ?? own)
    case .unchanged:
      for pixel in values.indices {
        let value = missing?[pixel] == true ? own.mean : Double(values[pixel])
        values[pixel] = Float(
          bounds.map { (value * unit - $0.low) / ($0.high - $0.low) } ?? value)
      }
    }
  }

  private func standardize(
    _ values: inout [Float], _ missing: [Bool]?, by statistics: Statistics
  ) {
    // Below the floor the differences are rounding errors of a constant, not a picture.
    let isConstant = !(statistics.deviation > floor * abs(statistics.mean))
    let scale = isConstant ? 0 : 1 / statistics.deviation
    for pixel in values.indices {
      values[pixel] =
        missing?[pixel] == true ? 0 : Float((Double(values[pixel]) - statistics.mean) * scale)
    }
  }

  /// The mean and the deviation of the values that are not missing.
  private static func statistics(_ values: [Float], _ missing: [Bool]?) -> Statistics {
    var (count, sum) = (0, 0.0)
    for pixel in values.indices where missing?[pixel] != true {
      count += 1
      sum += Double(values[pixel])
    }
    let mean = sum / Double(max(1, count))
    var squares = 0.0
    for pixel in values.indices where missing?[pixel] != true {
      let difference = Double(values[pixel]) - mean
      squares += difference * difference
    }
    return Statistics(mean: mean, deviation: (squares / Double(max(1, count))).squareRoot())
  }

  /// Brings values beyond two percentiles to them, by linear interpolation between ranks.
  private func clip(_ values: inout [Float], _ missing: [Bool]?) {
    let sorted = values.indices.filter { missing?[$0] != true }.map { values[$0] }.sorted()
    guard let bounds, !sorted.isEmpty else { return }
    func percentile(_ percent: Double) -> Float {
      let rank = percent / 100 * Double(sorted.count - 1)
      let below = Int(rank)
      let above = min(below + 1, sorted.count - 1)
      let part = rank - Double(below)
      return Float(Double(sorted[below]) * (1 - part) + Double(sorted[above]) * part)
    }
    let (low, high) = (percentile(bounds.low), percentile(bounds.high))
    for pixel in values.indices { values[pixel] = max(low, min(high, values[pixel])) }
  }
}
