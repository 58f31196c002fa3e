// How intensities are normalised, as an option.

package import Datasets

/// The value of `--intensities`.
package enum IntensityRule: Codable, Equatable, Sendable {
  /// Each image and channel by itself.
  case perImage
  /// As stored, or with these stored values at 0 and 1.
  case fixed(IntensityNormalization.Bounds?)
  /// Each image and channel by itself, clipped at these percentiles.
  case percentiles(IntensityNormalization.Bounds?)
  /// By the mean and the deviation of each channel in the training set.
  case set

  /// The normalisation, with this value for samples that are no measurement.
  package func normalization(missingValue: Double?) -> IntensityNormalization {
    switch self {
    case .perImage: IntensityNormalization(missingValue: missingValue)
    case .fixed(let bounds):
      IntensityNormalization(rule: .unchanged, bounds: bounds, missingValue: missingValue)
    case .percentiles(let bounds):
      IntensityNormalization(rule: .percentiles, bounds: bounds, missingValue: missingValue)
    case .set: IntensityNormalization(rule: .set, missingValue: missingValue)
    }
  }
}

extension IntensityRule: OptionValue {
  static var expectation: String {
    "per-image, fixed, fixed=LOW:HIGH, percentiles, percentiles=LOW:HIGH in 0...100, or set"
  }

  init?(optionText: String) {
    let parts = optionText.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    var bounds: IntensityNormalization.Bounds?
    if parts.count == 2 {
      let numbers = parts[1].split(separator: ":", omittingEmptySubsequences: false)
        .compactMap { Double($0) }
      guard numbers.count == 2, parts[1].count(where: { $0 == ":" }) == 1,
        let given = IntensityNormalization.Bounds(low: numbers[0], high: numbers[1])
      else { return nil }
      bounds = given
    }
    switch (parts[0], bounds) {
    case ("per-image", nil): self = .perImage
    case ("set", nil): self = .set
    case ("fixed", _): self = .fixed(bounds)
    case ("percentiles", _):
      if let bounds, bounds.low < 0 || bounds.high > 100 { return nil }
      self = .percentiles(bounds)
    default: return nil
    }
  }

  var optionText: String {
    func text(_ name: String, _ bounds: IntensityNormalization.Bounds?) -> String {
      bounds.map { "\(name)=\($0.low):\($0.high)" } ?? name
    }
    return switch self {
    case .perImage: "per-image"
    case .fixed(let bounds): text("fixed", bounds)
    case .percentiles(let bounds): text("percentiles", bounds)
    case .set: "set"
    }
  }
}
