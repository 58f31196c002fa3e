// The scores of borders: of an image, and of a set at the threshold that suits it best.

/// The scores of the borders and outlines of one image.
package struct BoundaryScores: Sendable, Equatable, Codable {
  /// The pixels that are not ignored.
  package let pixelCount: Int
  /// The scores with each of `BoundaryComparison.thresholds`.
  package let thresholds: [ThresholdScores]
  /// The distances of the outlines of each class; nil where truth or prediction has none.
  package let surfaces: [SurfaceDistances?]

  /// The scores of an image from their parts.
  package init(pixelCount: Int, thresholds: [ThresholdScores], surfaces: [SurfaceDistances?]) {
    self.pixelCount = pixelCount
    self.thresholds = thresholds
    self.surfaces = surfaces
  }
}

/// The scores of the borders of a set.
///
/// Scores of a threshold are means over the images that have them, and the best threshold of each score
/// is one for the whole set.
package struct BoundarySummary: Sendable, Equatable {
  /// A score and the threshold that gives it.
  package struct Best: Sendable, Equatable {
    /// The score.
    package let value: Double
    /// The place of the threshold in `BoundaryComparison.thresholds`, the lowest of equally good ones.
    package let index: Int
    /// The probability of interior above which a pixel is interior.
    package var threshold: Double { Double(index + 1) / 20 }
  }

  /// The mean distances of the outlines of a class.
  package struct MeanSurface: Sendable, Equatable {
    /// The mean of the average symmetric surface distances.
    package let average: Double
    /// The mean of the robust Hausdorff distances.
    package let hausdorff95: Double
    /// The images in whose truth and prediction the class has an outline.
    package let images: Int
  }

  /// The best value of each score that has one.
  let best: [BoundaryScore: Best]

  /// V_Rand with thinned borders; nil where no image has a true cell.
  package var rand: Best? { best[.rand] }
  /// V_Info with thinned borders.
  package var information: Best? { best[.information] }
  /// The adapted Rand error, 1 - V_Rand with borders as they are.
  package var randError: Best? { best[.randError] }
  /// 1 - F1 of interior pixels.
  package var pixelError: Best? { best[.pixelError] }
  /// The part of the pixels that still differ after the warping.
  package var warpingError: Best? { best[.warpingError] }

  /// The mean distances of the outlines of each class, over the images that have them.
  package let surfaces: [MeanSurface?]

  /// The summary of the images of a set, in their order.
  package init(_ images: [BoundaryScores]) {
    best = BoundaryScore.allCases.reduce(into: [:]) { result, score in
      for index in BoundaryComparison.thresholds.indices {
        guard let value = score.value(in: images, at: index) else { continue }
        let isBetter = result[score].map {
          score.growsWithQuality ? value > $0.value : value < $0.value
        }
        if isBetter ?? true { result[score] = Best(value: value, index: index) }
      }
    }
    surfaces = (0..<(images.first?.surfaces.count ?? 0)).map { label in
      let known = images.compactMap { $0.surfaces[label] }
      guard !known.isEmpty else { return nil }
      func mean(_ value: (SurfaceDistances) -> Double) -> Double {
        known.reduce(0) { $0 + value($1) } / Double(known.count)
      }
      return MeanSurface(
        average: mean { $0.average }, hausdorff95: mean { $0.hausdorff95 }, images: known.count)
    }
  }
}
