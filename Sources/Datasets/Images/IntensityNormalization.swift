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
  /// The statistics of each channel of `set`, in the images that are trained on.
  package private(set) var channels: [Statistics]?
  /// The value of samples that are no measurement, in addition to what files name.
  package let missingValue: Double?

  /// The statistics that images are normalised by; nil where each has its own.
  var setStatistics: [Statistics]? { rule == .set ? channels ?? [] : nil }

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
  /// Sums of images are added from the first to the last.
  package func fitted(to index: SampleIndex, ids: [Int]) -> IntensityNormalization {
    guard rule == .set, let channels = index.channels else { return self }
    var sums = [IntensityFit.Sums](repeating: IntensityFit.Sums(), count: channels)
    for id in ids {
      for (channel, own) in index.sums(of: id).enumerated() { sums[channel].add(own) }
    }
    var result = self
    result.channels = sums.map { sum in
      let mean = sum.first / max(1, sum.count)
      let variance = max(0, sum.second / max(1, sum.count) - mean * mean)
      return Statistics(mean: mean, deviation: variance.squareRoot())
    }
    return result
  }

  /// What makes a channel of these statistics one of mean 0 and deviation 1.
  func standardization(_ statistics: Statistics) -> IntensityTransform.Channel {
    // Below the floor the differences are rounding errors of a constant, not a picture.
    let isConstant = !(statistics.deviation > floor * abs(statistics.mean))
    return IntensityTransform.Channel(
      offset: statistics.mean, scale: isConstant ? 0 : 1 / statistics.deviation)
  }

  /// How an image becomes inputs whose own transform is `own`.
  ///
  /// - Throws: `FileError` naming `path` where the set that was trained on had other channels.
  func transform(_ own: IntensityTransform, path: String) throws(FileError) -> IntensityTransform {
    guard let statistics = setStatistics else { return own }
    try Self.check(channels: own.channels.count, are: statistics.count, path: path)
    return IntensityTransform(
      channels: statistics.map { standardization($0) }, missingValue: missingValue)
  }

  /// - Throws: `FileError` where an image has other channels than the set that was trained on.
  static func check(channels: Int, are expected: Int, path: String) throws(FileError) {
    guard channels == expected else {
      throw FileError(
        .channelsDiffer, path: path, expected: "\(expected) channels, as the training set had",
        found: "\(channels)", hint: "convert the image")
    }
  }

  /// The inputs of an image, height x width x channels.
  ///
  /// For every channel: x' = (x - mean) / deviation, with the mean and the (population) standard
  /// deviation over its pixels, or those of the set. A constant channel becomes zeros. Pixels that hold no
  /// measurement (`Image.missingPixels`) are not summed, and become the mean of their channel in the image,
  /// or in the set where that is the rule.
  ///
  /// - Throws: `FileError` naming `path` when another sample is infinite, or the set had other channels.
  package func normalized(_ image: Image, path: String) throws(FileError) -> [Float] {
    try fit(of: image, path: path).transform.inputs(of: image)
  }

  /// The finished fit of an image that is in memory.
  func fit(of image: Image, path: String) throws(FileError) -> IntensityFit {
    var fit = try IntensityFit(self, channels: image.channels, path: path)
    while fit.needsPass {
      try fit.add(image)
      fit.endPass()
    }
    return fit
  }
}
