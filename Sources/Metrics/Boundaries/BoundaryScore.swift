// The scores of borders that depend on a threshold, one by one.

/// A score of borders that depends on the threshold.
enum BoundaryScore: String, CaseIterable {
  case rand = "v_rand"
  case information = "v_info"
  case randError = "rand_error"
  case pixelError = "boundary_pixel_error"
  case warpingError = "warping_error"

  /// What it is called for people.
  var title: String {
    switch self {
    case .rand: "V_Rand, thinned"
    case .information: "V_Info, thinned"
    case .randError: "Rand error"
    case .pixelError: "pixel error, 1 - F1"
    case .warpingError: "warping error"
    }
  }

  /// Whether more is better.
  var growsWithQuality: Bool { self == .rand || self == .information }

  /// Its value for one image with a threshold; nil where it has none.
  func value(in image: BoundaryScores, at index: Int) -> Double? {
    let scores = image.thresholds[index]
    return switch self {
    case .rand: scores.thinned?.rand
    case .information: scores.thinned?.information
    case .randError: scores.plain.map { 1 - $0.rand }
    case .pixelError: Self.pixelError([scores])
    case .warpingError: Self.warpingError(of: [image], at: index)
    }
  }

  /// Its value for a set with one threshold: the mean over images that have it, but of errors that
  /// count pixels the part of all pixels together.
  func value(in images: [BoundaryScores], at index: Int) -> Double? {
    switch self {
    case .pixelError: return Self.pixelError(images.map { $0.thresholds[index] })
    case .warpingError: return Self.warpingError(of: images, at: index)
    case .rand, .information, .randError:
      let values = images.compactMap { value(in: $0, at: index) }
      return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
  }

  /// 1 - F1 = (FP + FN) / (2 TP + FP + FN), of interior.
  private static func pixelError(_ scores: [ThresholdScores]) -> Double? {
    let wrong = scores.reduce(0) { $0 + $1.falsePositives + $1.falseNegatives }
    let whole = scores.reduce(wrong) { $0 + 2 * $1.truePositives }
    return whole == 0 ? nil : Double(wrong) / Double(whole)
  }

  private static func warpingError(of images: [BoundaryScores], at index: Int) -> Double? {
    let pixels = images.reduce(0) { $0 + $1.pixelCount }
    let errors = images.reduce(0) { $0 + $1.thresholds[index].warpedErrors }
    return pixels == 0 ? nil : Double(errors) / Double(pixels)
  }
}
