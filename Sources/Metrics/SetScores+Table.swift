// The scores of a set as people read them, and as a table of its images.

import Files
import Foundation

extension SetScores {
  /// A table for people of the metrics that were asked for.
  ///
  /// A dash stands for a score without a value.
  package func table(_ report: EvaluationReport) -> String {
    let (groups, classes, border) = (report.groups, report.classes, report.border)
    var parts: [String] = []
    if groups.contains(.pixels) { parts.append(pixels.table(names: classes.map(\.name))) }
    if groups != [.pixels] {
      parts.append(
        "class \(border) (\(classes[border].name)) is the border or background; "
          + Self.objects(report)
      )
    }
    if let boundaries { parts.append(boundaries.table(names: classes.map(\.name))) }
    if let objects { parts.append(objects.table(hasInstances: report.hasInstances)) }
    return parts.joined(separator: "\n\n")
  }

  /// Which classes are objects, in words.
  private static func objects(_ report: EvaluationReport) -> String {
    let others = report.backgrounds.subtracting([UInt8(report.border)]).sorted()
    guard !others.isEmpty else { return "objects are all else" }
    let names = others.map { "class \($0) (\(report.classes[Int($0)].name))" }
    return "\(names.joined(separator: ", ")) is the background; objects are all else"
  }

  /// A table with a line for each image and the total last, as comma-separated values.
  ///
  /// Scores of borders are those at the best thresholds of the whole set. A field without a value is
  /// empty.
  package func perImageTable(_ report: EvaluationReport) -> String {
    let (groups, classes) = (report.groups, report.classes)
    let rows = images.map { image in
      (name: image.name, columns: columns(of: image, groups, classes))
    }
    let total = (name: "total", columns: totals(groups, classes))
    let header = (["image"] + total.columns.map(\.name)).map(Self.field)
    let lines = (rows + [total]).map { row in
      ([Self.field(row.name)] + row.columns.map { $0.value.map { "\($0)" } ?? "" })
        .joined(separator: ",")
    }
    return ([header.joined(separator: ",")] + lines).joined(separator: "\n") + "\n"
  }

  /// The scores of each image that people look at first, the mean IoU before the others: what they are called, and
  /// for each image their values.
  package func imageColumns(
    _ report: EvaluationReport
  ) -> (titles: [String], values: [[Double?]]) {
    var shown = [("mean_iou", "mean IoU"), ("pixel_error", "pixel error")]
    shown += report.classes.map { ("dice_\($0.valueText)", "Dice of \($0.name)") }
    if boundaries != nil { shown += BoundaryScore.allCases.map { ($0.rawValue, $0.title) } }
    if objects != nil {
      shown += [
        ("reference_objects", "objects"), ("predicted_objects", "objects found"), ("seg", "SEG"),
        ("mean_ap", "mean AP"), ("pq", "PQ"),
      ]
    }
    let values = images.map { image in
      let all = Dictionary(
        columns(of: image, report.groups, report.classes).map { ($0.name, $0.value) },
        uniquingKeysWith: { first, _ in first })
      return shown.map { all[$0.0] ?? nil }
    }
    return (shown.map(\.1), values)
  }

  private typealias Column = (name: String, value: Double?)

  private func columns(
    of image: ImageScores, _ groups: Set<MetricGroup>, _ classes: [ClassLabel]
  ) -> [Column] {
    var columns: [Column] = []
    if groups.contains(.pixels) {
      let scores =
        image.counts.pixelCount == 0
        ? nil
        : SegmentationScores(
          counts: image.counts,
          loss: image.losses.reduce(0, +) / Double(image.counts.pixelCount))
      columns += Self.pixelColumns(scores, classes)
    }
    if let boundaries, let scores = image.boundaries {
      columns += Self.boundaryColumns(
        boundaries, surfaces: scores.surfaces.map { $0.map { ($0.average, $0.hausdorff95) } },
        classes
      ) { best, score in
        score.value(in: scores, at: best.index)
      }
    }
    if let objects = image.objects { columns += objects.columns }
    return columns
  }

  private func totals(_ groups: Set<MetricGroup>, _ classes: [ClassLabel]) -> [Column] {
    var columns: [Column] = []
    if groups.contains(.pixels) { columns += Self.pixelColumns(pixels, classes) }
    if let boundaries {
      columns += Self.boundaryColumns(
        boundaries, surfaces: boundaries.surfaces.map { $0.map { ($0.average, $0.hausdorff95) } },
        classes
      ) { best, _ in best.value }
    }
    if let objects { columns += objects.columns }
    return columns
  }

  private static func pixelColumns(
    _ scores: SegmentationScores?, _ classes: [ClassLabel]
  ) -> [Column] {
    [
      ("pixel_accuracy", scores?.pixelAccuracy), ("pixel_error", scores?.pixelError),
      ("mean_iou", scores?.meanIntersectionOverUnion), ("mean_dice", scores?.meanDice),
      ("loss", scores?.loss),
    ]
      + classes.enumerated().flatMap { label, known -> [Column] in
        let values = scores?.classes[label]
        return [
          ("iou_\(known.valueText)", values?.intersectionOverUnion),
          ("dice_\(known.valueText)", values?.dice),
        ]
      }
  }

  private static func boundaryColumns(
    _ summary: BoundarySummary, surfaces: [(average: Double, hausdorff95: Double)?],
    _ classes: [ClassLabel], _ value: (BoundarySummary.Best, BoundaryScore) -> Double?
  ) -> [Column] {
    BoundaryScore.allCases.map { score in
      (score.rawValue, summary.best[score].flatMap { value($0, score) })
    }
      + zip(classes, surfaces).flatMap { known, surface -> [Column] in
        [
          ("assd_\(known.valueText)", surface?.average),
          ("hd95_\(known.valueText)", surface?.hausdorff95),
        ]
      }
  }

  /// A field, in quotes where it has a comma, quotes or a line's end in it.
  private static func field(_ text: String) -> String {
    let isPlain = !text.contains { ",\"\n\r".contains($0) }
    return isPlain ? text : "\"" + text.replacing("\"", with: "\"\"") + "\""
  }
}

extension BoundarySummary {
  fileprivate func table(names: [String]) -> String {
    var scores = TextTable(["borders", "score", "threshold"])
    for score in BoundaryScore.allCases {
      let best = best[score]
      scores.add([
        score.title, decimal(best?.value), best.map { String(format: "%.2f", $0.threshold) } ?? "-",
      ])
    }
    var outlines = TextTable(["outlines", "ASSD", "HD95", "images"])
    for (name, surface) in zip(names, surfaces) {
      outlines.add([
        name, decimal(surface?.average), decimal(surface?.hausdorff95), "\(surface?.images ?? 0)",
      ])
    }
    return scores.text + "\n" + outlines.text.dropLast()
  }
}

extension ObjectScores {
  fileprivate var columns: [(name: String, value: Double?)] {
    values.map { pair in
      switch pair.value {
      case .integer(let value): (pair.name, Double(value))
      case .number(let value): (pair.name, value)
      default: (pair.name, nil)
      }
    }
  }

  fileprivate func table(hasInstances: Bool) -> String {
    var table = TextTable(["objects", "score"])
    table.add([hasInstances ? "in instances/" : "components of the masks", "\(referenceCount)"])
    table.add(["found", "\(predictedCount)"])
    table.add(["SEG", decimal(seg)])
    for (twentieths, value) in zip(Self.twentieths, averagePrecisions) {
      table.add(["AP at .\(twentieths * 5)", decimal(value)])
    }
    table.add(["mean AP", decimal(meanAveragePrecision)])
    table.add(["SQ", decimal(segmentationQuality)])
    table.add(["RQ", decimal(recognitionQuality)])
    table.add(["PQ", decimal(panopticQuality)])
    return String(table.text.dropLast())
  }
}

private func decimal(_ value: Double?) -> String {
  value.map { String(format: "%.4f", $0) } ?? "-"
}
