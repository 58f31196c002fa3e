// Scores of objects, by hand and against their definitions in scikit-image's overlaps.

import Metrics
import Testing

@Suite struct ObjectScoresTests {
  /// Objects of 4, 2 and 2 pixels.
  ///
  /// The first is found as 3 of its pixels (J = 3/4), the second with two
  /// pixels too many (J = 1/2: covered, but no pair), the third not at all, and a fourth is invented.
  @Test func byHand() throws {
    let reference: [Int32] = [1, 1, 1, 1, 0, 2, 2, 0, 0, 3, 3, 0]
    let prediction: [Int32] = [7, 7, 7, 0, 8, 8, 8, 8, 0, 0, 0, 9]
    let scores = ObjectScores(reference: reference, prediction: prediction) { _ in true }
    #expect(scores.referenceCount == 3 && scores.predictedCount == 3)
    #expect(isClose(scores.seg, (0.75 + 0.5 + 0) / 3))
    // Up to .70 one pair of five objects; J > .75 is not so.
    #expect(scores.matches == [1, 1, 1, 1, 1, 0, 0, 0, 0])
    #expect(scores.averagePrecisions.prefix(5).allSatisfy { isClose($0, 0.2) })
    #expect(isClose(scores.meanAveragePrecision, 1.0 / 9))
    #expect(isClose(scores.segmentationQuality, 0.75))
    #expect(isClose(scores.recognitionQuality, 1 / (1 + 1 + 1)))
    #expect(isClose(scores.panopticQuality, 0.25))
  }

  /// A found object over two counts for the one of which it covers more than half, or for both.
  @Test func aMergerCoversBoth() {
    let scores = ObjectScores(reference: [1, 1, 1, 2, 2], prediction: [1, 1, 1, 1, 1]) { _ in true }
    #expect(isClose(scores.seg, (0.6 + 0.4) / 2))
    #expect(scores.matches[0] == 1 && isClose(scores.panopticQuality, 0.6 * 2 / 3))
  }

  @Test func whatIsIgnoredBelongsToNoObject() {
    let scores = ObjectScores(reference: [1, 1, 0, 2], prediction: [1, 1, 1, 5]) { $0 < 2 }
    #expect(scores.referenceCount == 1 && scores.predictedCount == 1)
    #expect(scores.seg == 1 && scores.panopticQuality == 1)
  }

  @Test func withoutObjectsThereAreNoScores() {
    let none = ObjectScores(reference: [0, 0], prediction: [0, 0]) { _ in true }
    #expect(none.seg == nil && none.meanAveragePrecision == nil && none.panopticQuality == nil)
    let invented = ObjectScores(reference: [0, 0], prediction: [0, 1]) { _ in true }
    #expect(invented.seg == nil && invented.averagePrecisions[0] == 0)
    #expect(invented.panopticQuality == 0 && invented.segmentationQuality == nil)
  }

  @Test func areThoseOfTheFixture() throws {
    for fixture in try MetricsFixtures.read().objects {
      let scores = ObjectScores(reference: fixture.reference, prediction: fixture.prediction) {
        fixture.known[$0] != 0
      }
      #expect(scores.referenceCount == fixture.referenceCount)
      #expect(scores.predictedCount == fixture.predictedCount)
      #expect(isClose(scores.seg, fixture.seg))
      for (value, expected) in zip(scores.averagePrecisions, fixture.averagePrecisions) {
        #expect(isClose(value, expected))
      }
      #expect(isClose(scores.meanAveragePrecision, fixture.mean))
      #expect(isClose(scores.segmentationQuality, fixture.sq))
      #expect(isClose(scores.recognitionQuality, fixture.rq))
      #expect(isClose(scores.panopticQuality, fixture.pq))
    }
  }

  @Test func sumsOfImages() throws {
    let fixtures = try MetricsFixtures.read().objects
    var sum = ObjectScores()
    for fixture in fixtures {
      sum += ObjectScores(reference: fixture.reference, prediction: fixture.prediction) {
        fixture.known[$0] != 0
      }
    }
    let references = fixtures.map(\.referenceCount)
    let seg = zip(fixtures, references).reduce(0) { $0 + $1.0.seg * Double($1.1) }
    #expect(isClose(sum.seg, seg / Double(references.reduce(0, +))))
  }
}
