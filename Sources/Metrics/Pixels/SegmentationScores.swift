// The scores of a segmentation, all of them ratios of its confusion counts.

package import Files

/// How good a segmentation is: by pixel, by class, and the loss.
///
/// With TP the pixels of a class that were found, FP those of other classes taken for it, and FN its
/// own taken for others:
///
///     IoU = TP / (TP + FP + FN)        Dice = 2 TP / (2 TP + FP + FN)
///     precision = TP / (TP + FP)       recall = TP / (TP + FN)
///
/// A ratio of nothing to nothing has no value: it is nil, and no mean includes it.
package struct SegmentationScores: Sendable, Equatable {
  /// The scores of one class.
  package struct ClassScores: Sendable, Equatable {
    /// Pixels of this class in the masks.
    package let pixelCount: Int64
    /// Pixels that were taken for this class.
    package let predictedCount: Int64
    /// Intersection over union; nil when the class is absent.
    package let intersectionOverUnion: Double?
    /// The Dice coefficient; nil when the class is absent.
    package let dice: Double?
    /// The part of the predicted pixels that are of this class; nil when it was never predicted.
    package let precision: Double?
    /// The part of this class's pixels that were found; nil when the masks have none.
    package let recall: Double?

    /// True when the class is neither in the masks nor in the prediction.
    package var isAbsent: Bool { pixelCount == 0 && predictedCount == 0 }

    fileprivate init(of label: Int, in counts: ConfusionCounts) {
      pixelCount = counts.pixels(ofClass: label)
      predictedCount = counts.pixels(predictedAs: label)
      let found = counts[truth: label, prediction: label]
      intersectionOverUnion = ratio(found, pixelCount + predictedCount - found)
      dice = ratio(2 * found, pixelCount + predictedCount)
      precision = ratio(found, predictedCount)
      recall = ratio(found, pixelCount)
    }
  }

  /// The counts behind the scores.
  package let counts: ConfusionCounts
  /// The probabilities of the second of two classes, by which a threshold is chosen; nil for more.
  package let foreground: ForegroundHistogram?
  /// The mean cross-entropy of a pixel, in natural units; not finite when the network's output is not.
  package let loss: Double
  /// The scores by class.
  package let classes: [ClassScores]
  /// The part of all pixels whose class was found.
  package let pixelAccuracy: Double
  /// The part of all pixels whose class was not found.
  package let pixelError: Double
  /// The mean IoU of the classes that are not absent.
  package let meanIntersectionOverUnion: Double
  /// The mean Dice coefficient of the classes that are not absent.
  package let meanDice: Double

  /// The scores for these counts.
  ///
  /// - Precondition: at least one pixel was counted.
  package init(counts: ConfusionCounts, loss: Double, foreground: ForegroundHistogram? = nil) {
    self.foreground = foreground
    let total = counts.pixelCount
    precondition(total > 0, "scores of no pixels")
    self.counts = counts
    self.loss = loss
    classes = (0..<counts.classes).map { ClassScores(of: $0, in: counts) }
    pixelAccuracy = Double(counts.correctCount) / Double(total)
    pixelError = Double(total - counts.correctCount) / Double(total)
    meanIntersectionOverUnion = mean(classes.compactMap(\.intersectionOverUnion))
    meanDice = mean(classes.compactMap(\.dice))
  }

  /// The scores as a JSON object.
  ///
  /// A score without a value is null; a class that has none at all is marked `"absent": true`. Classes
  /// have names and the values of their masks where they are given.
  package func json(classes labels: [ClassLabel] = []) -> JSONValue {
    [
      "pixels": .integer(Int(counts.pixelCount)),
      "pixel_accuracy": .number(pixelAccuracy),
      "pixel_error": .number(pixelError),
      "mean_iou": .number(meanIntersectionOverUnion),
      "mean_dice": .number(meanDice),
      "loss": .number(loss),
      "classes": .list(
        classes.enumerated().map { label, scores in
          let known = labels.indices.contains(label) ? labels[label] : nil
          let identity: [(name: String, value: JSONValue)] =
            [("class", .integer(label))] + (known?.json ?? [])
          let values: [(name: String, value: JSONValue)] = [
            ("pixels", .integer(Int(scores.pixelCount))),
            ("predicted_pixels", .integer(Int(scores.predictedCount))),
            ("absent", .boolean(scores.isAbsent)),
            ("iou", number(scores.intersectionOverUnion)),
            ("dice", number(scores.dice)),
            ("precision", number(scores.precision)),
            ("recall", number(scores.recall)),
          ]
          return .object(identity + values)
        }),
    ]
  }
}

private func ratio(_ part: Int64, _ whole: Int64) -> Double? {
  whole == 0 ? nil : Double(part) / Double(whole)
}

/// The mean of at least one value: where there is a pixel, its class is not absent.
private func mean(_ values: [Double]) -> Double {
  values.reduce(0, +) / Double(values.count)
}

/// A score in JSON, null without a value.
func number(_ value: Double?) -> JSONValue {
  value.map { .number($0) } ?? .null
}
