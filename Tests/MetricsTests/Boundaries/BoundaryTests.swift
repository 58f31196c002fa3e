// Scores of borders, by hand and against scikit-image.

import Foundation
import Metrics
import Testing

@Suite struct SegmentationAgreementTests {
  private func agreement(_ truth: [Int32], _ prediction: [Int32]) -> SegmentationAgreement? {
    SegmentationAgreement(SegmentOverlaps(truth: truth, prediction: prediction) { _ in true })
  }

  @Test func ofTheSameSegmentsIsOne() throws {
    let scores = try #require(agreement([1, 1, 2, 2, 2, 0], [5, 5, 1, 1, 1, 3]))
    #expect(scores.rand == 1 && abs(scores.information - 1) < 1e-12)
    let one = try #require(agreement([1, 1, 1], [4, 4, 4]))
    #expect(one.rand == 1 && one.information == 1)
    #expect(agreement([0, 0], [1, 0]) == nil)
  }

  /// Two cells of two pixels merged: sum p_ij^2 = 8/16, t 8/16, s 16/16; H(S) = 0, hence I = 0.
  @Test func ofAMerger() throws {
    let scores = try #require(agreement([1, 1, 2, 2, 0], [1, 1, 1, 1, 1]))
    #expect(abs(scores.rand - 8.0 / 12) < 1e-12)
    #expect(scores.information == 0)
  }

  /// One cell of four pixels split at a pixel of border, which is a segment of its own:
  /// sums of squares 1 + 1 + 4, 1 + 1 + 4 and 16; truth has no entropy.
  @Test func ofASplit() throws {
    let scores = try #require(agreement([1, 1, 1, 1], [1, 0, 2, 2]))
    #expect(abs(scores.rand - 6.0 / 11) < 1e-12)
    #expect(scores.information == 0)
  }

  /// Cells {2, 2}, found {1, 3}: pairs 1, 1 and 2; I = H(T) + H(S) - H(S, T).
  @Test func ofAShiftedBorder() throws {
    let scores = try #require(agreement([1, 1, 2, 2], [1, 2, 2, 2]))
    #expect(abs(scores.rand - 6.0 / 9) < 1e-12)
    let truth = log(2.0)
    let found = -(0.25 * log(0.25) + 0.75 * log(0.75))
    let both = -(0.5 * log(0.25) + 0.5 * log(0.5))
    #expect(abs(scores.information - (truth + found - both) / (0.5 * (truth + found))) < 1e-12)
  }
}

@Suite struct BoundaryComparisonTests {
  /// Two cells parted by a border of three pixels, found with one of five: as it is the four lost
  /// pixels are segments of their own, thinned nothing is lost.
  @Test func thinningFillsTheCells() throws {
    let truth: [UInt8] = [1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1]
    let interior: [Float] = [0.9, 0.8, 0.7, 0.4, 0.3, 0.1, 0.2, 0.35, 0.6, 0.8, 0.9]
    let comparison = BoundaryComparison(
      truth: truth, border: 0, interior: interior, width: 11, height: 1)
    let scores = comparison.scores(threshold: 0.5)
    #expect(scores.thinned?.rand == 1)
    // Pairs: 3^2 + 3^2 + 1 + 1; truth 4^2 + 4^2.
    #expect(isClose(scores.plain?.rand, 20.0 / (0.5 * 20 + 0.5 * 32)))
    #expect(scores.truePositives == 6 && scores.falsePositives == 0)
    #expect(scores.falseNegatives == 2)
    // The border may be bent by one pixel on each side.
    #expect(scores.warpedErrors == 0)
    #expect(comparison.scores(threshold: 0.05).thinned?.rand == 32.0 / 48)
  }

  @Test func whatIsIgnoredIsLeftOut() {
    let truth: [UInt8] = [1, 1, 255, 255, 0, 1]
    let comparison = BoundaryComparison(
      truth: truth, border: 0, interior: [0.9, 0.9, 0.9, 0.1, 0.2, 0.1], width: 6, height: 1)
    #expect(comparison.pixelCount == 4)
    let scores = comparison.scores(threshold: 0.5)
    #expect(scores.truePositives == 2 && scores.falsePositives == 0)
    #expect(scores.falseNegatives == 1)
    let nothing = BoundaryComparison(
      truth: [255, 255], border: 0, interior: [0.9, 0.1], width: 2, height: 1)
    #expect(nothing.scores(threshold: 0.5).thinned == nil)
  }

  @Test func areThoseOfScikitImage() throws {
    for fixture in try MetricsFixtures.read().borders {
      let comparison = BoundaryComparison(
        truth: fixture.truth, border: 0, interior: fixture.interior, width: fixture.width,
        height: fixture.height)
      #expect(BoundaryComparison.thresholds.count == fixture.thresholds.count)
      for (threshold, expected) in zip(BoundaryComparison.thresholds, fixture.thresholds) {
        let scores = comparison.scores(threshold: threshold)
        #expect(isClose(scores.plain?.rand, expected.plain?.rand), "\(threshold)")
        #expect(isClose(scores.plain?.information, expected.plain?.information), "\(threshold)")
        #expect(isClose(scores.thinned?.rand, expected.thinned?.rand), "\(threshold)")
        #expect(
          isClose(scores.thinned?.information, expected.thinned?.information), "\(threshold)")
        #expect(scores.truePositives == expected.truePositives)
        #expect(scores.falsePositives == expected.falsePositives)
        #expect(scores.falseNegatives == expected.falseNegatives)
        #expect(scores.warpedErrors <= expected.falsePositives + expected.falseNegatives)
      }
    }
  }
}

@Suite struct WarpingTests {
  /// The errors that are left of a picture of `#` for interior, predicted as another one.
  private func errors(_ truth: [String], _ prediction: [String]) -> Int {
    let labels = truth.joined().map { $0 == "#" ? UInt8(1) : $0 == "?" ? 255 : 0 }
    let comparison = BoundaryComparison(
      truth: labels, border: 0, interior: prediction.joined().map { $0 == "#" ? 0.9 : 0.1 },
      width: truth[0].count, height: truth.count)
    return comparison.scores(threshold: 0.5).warpedErrors
  }

  /// A border that is bent or thicker is no error; a gap in it, a hole and a new object are.
  @Test func onlyTopologyCounts() {
    let parted = ["####.####", "####.####", "####.####"]
    #expect(errors(parted, ["###.#####", "###.#####", "####.####"]) == 0)
    #expect(errors(parted, ["##...####", "##...####", "##...####"]) == 0)
    #expect(errors(parted, ["####.####", "#########", "####.####"]) == 1)
    #expect(errors(["#####", "#####", "#####"], ["#####", "##.##", "#####"]) == 1)
    #expect(errors([".....", ".....", "....."], [".....", "..#..", "....."]) == 1)
    #expect(errors([".....", "..#..", "....."], [".....", ".....", "....."]) == 1)
  }

  /// Corners do not join interior, but they join border.
  @Test func cornersJoinBordersOnly() {
    #expect(errors(["##..", "##..", "...."], ["##..", "##..", "..#."]) == 1)
    #expect(errors(["##..", "##..", "...."], ["##..", "###.", "...."]) == 0)
  }

  @Test func whatIsIgnoredStays() {
    #expect(errors(["##?##", "##?##"], ["#####", "#####"]) == 0)
  }
}

@Suite struct SurfaceDistancesTests {
  /// Two pixels of each, all of them outline.
  @Test func byHand() throws {
    let truth: [UInt8] = [
      0, 1, 0, 0, 0,
      0, 1, 0, 0, 0,
    ]
    let prediction: [UInt8] = [
      0, 0, 1, 0, 0,
      0, 0, 0, 1, 0,
    ]
    let found = try #require(
      SurfaceDistances(of: 1, truth: truth, prediction: prediction, width: 5, height: 2))
    // There: 1, sqrt 2. Back: 1, 2.
    #expect(isClose(found.average, (1 + 2.0.squareRoot() + 1 + 2) / 4))
    #expect(isClose(found.hausdorff95, 1 + 0.95))
  }

  @Test func edgesOfTheImageAndIgnoredPixelsAreNoOutline() {
    let whole = [UInt8](repeating: 1, count: 6)
    #expect(
      SurfaceDistances(of: 1, truth: whole, prediction: whole, width: 3, height: 2) == nil)
    let ignored: [UInt8] = [1, 255, 0, 1, 255, 0]
    #expect(
      SurfaceDistances(of: 1, truth: ignored, prediction: whole, width: 3, height: 2) == nil)
  }

  @Test func areThoseOfScipy() throws {
    for fixture in try MetricsFixtures.read().borders {
      for (label, expected) in fixture.surfaces.enumerated() {
        let found = SurfaceDistances(
          of: UInt8(label), truth: fixture.truth, prediction: fixture.prediction,
          width: fixture.width, height: fixture.height)
        #expect(isClose(found?.average, expected?.average), "class \(label)")
        #expect(isClose(found?.hausdorff95, expected?.hausdorff95), "class \(label)")
      }
    }
  }
}

@Suite struct BoundarySummaryTests {
  private func image(_ scores: [(rand: Double, right: Int, wrong: Int)?]) -> BoundaryScores {
    let thresholds = BoundaryComparison.thresholds.indices.map { index -> ThresholdScores in
      let score = index < scores.count ? scores[index] : nil
      let agreement = score.map { SegmentationAgreement(rand: $0.rand, information: 0.5) }
      return ThresholdScores(
        plain: agreement, thinned: agreement, truePositives: score?.right ?? 0,
        falsePositives: score?.wrong ?? 100, falseNegatives: 0, warpedErrors: score?.wrong ?? 100)
    }
    return BoundaryScores(
      pixelCount: 100, thresholds: thresholds,
      surfaces: [nil, SurfaceDistances(average: scores[0]?.rand ?? 0, hausdorff95: 4)])
  }

  /// One threshold for the set: means .5, .65 and .6, though single images have more with another.
  @Test func oneThresholdIsBestForTheSet() throws {
    let summary = BoundarySummary([
      image([(0.1, 40, 10), (0.5, 40, 20), (0.9, 40, 30)]),
      image([(0.9, 40, 10), (0.8, 30, 4), (0.3, 10, 30)]),
    ])
    let rand = try #require(summary.rand)
    #expect(isClose(rand.value, 0.65) && isClose(rand.threshold, 0.10))
    #expect(isClose(summary.information?.value, 0.5) && summary.information?.threshold == 0.05)
    // Pixels are counted over all images: 20 / (160 + 20) with the first.
    #expect(isClose(summary.pixelError?.value, 20.0 / 180) && summary.pixelError?.index == 0)
    #expect(isClose(summary.warpingError?.value, 0.1))
    #expect(summary.surfaces[0] == nil)
    #expect(isClose(summary.surfaces[1]?.average, 0.5) && summary.surfaces[1]?.images == 2)
  }
}
