// Scores computed by hand from small counts.

import Files
import Foundation
import Metrics
import Testing

@Suite struct ConfusionCountsTests {
  @Test func pixelsAreCountedByTruthAndPrediction() {
    var counts = ConfusionCounts(classes: 3)
    counts.add(truth: [0, 0, 1, 2, 2, 2], prediction: [0, 1, 1, 2, 2, 0])
    #expect(counts.flat == [1, 1, 0, 0, 1, 0, 1, 0, 2])
    #expect(counts[truth: 2, prediction: 0] == 1 && counts[truth: 0, prediction: 2] == 0)
    #expect(counts.pixelCount == 6 && counts.correctCount == 4)
    #expect((0..<3).map { counts.pixels(ofClass: $0) } == [2, 1, 3])
    #expect((0..<3).map { counts.pixels(predictedAs: $0) } == [2, 2, 2])
  }

  @Test func whatIsIgnoredIsNotCounted() {
    var counts = ConfusionCounts(classes: 2)
    counts.add(truth: [0, 255, 1, 255], prediction: [0, 1, 0, 0])
    #expect(counts.flat == [1, 0, 1, 0] && counts.pixelCount == 2)
  }

  @Test func sumsAreThoseOfTheParts() {
    let truth: [UInt8] = [0, 1, 1, 0, 1, 1, 0]
    let prediction: [UInt8] = [1, 1, 0, 0, 1, 0, 0]
    var whole = ConfusionCounts(classes: 2)
    whole.add(truth: truth, prediction: prediction)
    var sum = ConfusionCounts(classes: 2)
    for pixel in truth.indices {
      var part = ConfusionCounts(classes: 2)
      part.add(truth: [truth[pixel]], prediction: [prediction[pixel]])
      sum += part
    }
    #expect(sum == whole)
    #expect(ConfusionCounts(classes: 2, flat: whole.flat) == whole)
  }
}

@Suite struct SegmentationScoresTests {
  /// Scores as part and whole; spelt as divisions the compiler takes too long over them.
  private func ratios(_ parts: [(part: Double, whole: Double)?]) -> [Double?] {
    parts.map { $0.map { $0.part / $0.whole } }
  }

  @Test func oneClassIsAlwaysFound() {
    let scores = SegmentationScores(counts: ConfusionCounts(classes: 1, flat: [5]), loss: 0)
    #expect(scores.pixelAccuracy == 1 && scores.pixelError == 0)
    #expect(scores.meanIntersectionOverUnion == 1 && scores.meanDice == 1)
  }

  @Test func twoClassesByHand() {
    // 6 of 8 background pixels and 3 of 4 cell pixels were found.
    let counts = ConfusionCounts(classes: 2, flat: [6, 2, 1, 3])
    let scores = SegmentationScores(counts: counts, loss: 1)
    #expect(scores.pixelAccuracy == 9.0 / 12 && scores.pixelError == 3.0 / 12)
    #expect(scores.classes.map(\.intersectionOverUnion) == ratios([(6, 9), (3, 6)]))
    #expect(scores.classes.map(\.dice) == ratios([(12, 15), (6, 9)]))
    #expect(scores.classes.map(\.precision) == ratios([(6, 7), (3, 5)]))
    #expect(scores.classes.map(\.recall) == ratios([(6, 8), (3, 4)]))
    #expect(scores.meanIntersectionOverUnion == (6.0 / 9 + 3.0 / 6) / 2)
    #expect(scores.meanDice == (12.0 / 15 + 6.0 / 9) / 2)
  }

  @Test func absentClassesHaveNoScoresAndCountInNoMean() {
    // Class 1 is nowhere; class 2 was only predicted; class 3 was never predicted.
    let flat: [Int64] = [4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]
    let scores = SegmentationScores(counts: ConfusionCounts(classes: 4, flat: flat), loss: .nan)
    #expect(scores.classes.map(\.isAbsent) == [false, true, false, false])
    #expect(scores.classes.map(\.intersectionOverUnion) == ratios([(4, 7), nil, (0, 1), (0, 1)]))
    #expect(scores.classes.map(\.dice) == ratios([(8, 11), nil, (0, 1), (0, 1)]))
    #expect(scores.classes.map(\.precision) == ratios([(4, 6), nil, (0, 1), nil]))
    #expect(scores.classes.map(\.recall) == ratios([(4, 5), nil, nil, (0, 1)]))
    #expect(scores.meanIntersectionOverUnion == 4.0 / 7 / 3)
    #expect(scores.meanDice == 8.0 / 11 / 3)
  }

  @Test func theTableIsForPeople() {
    let flat: [Int64] = [4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]
    let scores = SegmentationScores(counts: ConfusionCounts(classes: 4, flat: flat), loss: 0.25)
    #expect(
      scores.table(names: ["ground", "sky", "tree"]) == """
        class     IoU    Dice  precision  recall  pixels  name
            0  0.5714  0.7273     0.6667  0.8000       5  ground
            1  absent  absent     absent  absent       0  sky
            2  0.0000  0.0000     0.0000       -       0  tree
            3  0.0000  0.0000          -  0.0000       2  class 3
         mean  0.1905  0.2424                          7

        pixel accuracy  0.5714
        pixel error     0.4286
        cross-entropy   0.2500
        """)
  }

  @Test func jsonMarksWhatHasNoValue() throws {
    let counts = ConfusionCounts(classes: 2, flat: [3, 0, 0, 0])
    let text = SegmentationScores(counts: counts, loss: .infinity).json().json
    let parsed = try JSONSerialization.jsonObject(with: Data(text.utf8))
    let object = try #require(parsed as? [String: Any])
    #expect(object["loss"] is NSNull)
    #expect(object["mean_iou"] as? Double == 1)
    #expect(object["pixel_error"] as? Double == 0)
    let classes = try #require(object["classes"] as? [[String: Any]])
    #expect(classes.map { $0["absent"] as? Bool } == [false, true])
    #expect(classes[0]["iou"] as? Double == 1 && classes[0]["pixels"] as? Int == 3)
    for score in ["iou", "dice", "precision", "recall"] {
      #expect(classes[1][score] is NSNull)
    }
  }
}
