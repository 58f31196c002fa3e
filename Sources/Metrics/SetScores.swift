// All scores of a set of images.

package import Files

/// The scores of a set of images, of each image and in total.
package struct SetScores: Sendable, Equatable {
  /// The scores of its images, in the order in which they were asked for.
  package let images: [ImageScores]
  /// The scores of all pixels together.
  package let pixels: SegmentationScores
  /// The scores of borders and outlines, where they were asked for.
  package let boundaries: BoundarySummary?
  /// The scores of all objects together, where they were asked for.
  package let objects: ObjectScores?

  /// The scores of a set from those of its images; nil where no pixel was counted.
  package init?(_ images: [ImageScores]) {
    guard let classes = images.first?.counts.classes else { return nil }
    var counts = ConfusionCounts(classes: classes)
    for image in images { counts += image.counts }
    guard counts.pixelCount > 0 else { return nil }
    self.images = images
    // Window by window, as where windows are shared out.
    let loss = images.reduce(0.0) { $1.losses.reduce($0, +) }
    pixels = SegmentationScores(counts: counts, loss: loss / Double(counts.pixelCount))
    let boundaries = images.compactMap(\.boundaries)
    self.boundaries = boundaries.isEmpty ? nil : BoundarySummary(boundaries)
    let objects = images.compactMap(\.objects)
    self.objects = objects.isEmpty ? nil : objects.reduce(into: ObjectScores()) { $0 += $1 }
  }

  /// The scores in total as a JSON object.
  package func json(_ report: EvaluationReport) -> JSONValue {
    let (groups, classes, border) = (report.groups, report.classes, report.border)
    var pairs: [(name: String, value: JSONValue)] = []
    if groups.contains(.pixels), case .object(let values) = pixels.json(classes: classes) {
      pairs += values
    }
    if groups != [.pixels] {
      pairs.append(
        ("border_class", .object([("class", .integer(border))] + classes[border].json)))
    }
    if let boundaries { pairs.append(("boundaries", boundaries.json(classes: classes))) }
    if let objects { pairs.append(("objects", objects.json(hasInstances: report.hasInstances))) }
    return .object(pairs)
  }
}

extension BoundarySummary {
  func json(classes: [ClassLabel]) -> JSONValue {
    let scores = BoundaryScore.allCases.map { score -> (name: String, value: JSONValue) in
      guard let best = best[score] else { return (score.rawValue, .null) }
      return (
        score.rawValue, ["value": .number(best.value), "threshold": .number(best.threshold)]
      )
    }
    let outlines = surfaces.enumerated().map { label, surface -> JSONValue in
      .object(
        [("class", .integer(label))] + classes[label].json + [
          ("assd", number(surface?.average)), ("hd95", number(surface?.hausdorff95)),
          ("images", .integer(surface?.images ?? 0)),
        ])
    }
    return .object(scores + [("surfaces", .list(outlines))])
  }
}

extension ObjectScores {
  fileprivate func json(hasInstances: Bool) -> JSONValue {
    .object([("reference", .text(hasInstances ? "instances" : "components"))] + values)
  }

  /// All counts and scores by their names in reports.
  var values: [(name: String, value: JSONValue)] {
    [
      ("reference_objects", .integer(referenceCount)),
      ("predicted_objects", .integer(predictedCount)), ("seg", number(seg)),
    ]
      + zip(Self.twentieths, averagePrecisions).map { twentieths, value in
        (name: "ap_\(twentieths * 5)", value: number(value))
      } + [
        ("mean_ap", number(meanAveragePrecision)), ("sq", number(segmentationQuality)),
        ("rq", number(recognitionQuality)), ("pq", number(panopticQuality)),
      ]
  }
}
