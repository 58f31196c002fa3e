// The scores as people read them.

import Foundation

extension SegmentationScores {
  /// A table for people: one line a class, then the means and the scores of all pixels.
  ///
  /// A class that is neither in the masks nor in the prediction says `absent`; a dash stands for any
  /// other score without a value. Classes beyond `names` are called `class N`.
  package func table(names: [String]) -> String {
    let header = ["class", "IoU", "Dice", "precision", "recall", "pixels", "name"]
    let body = classes.enumerated().map { label, scores in
      let name = names.indices.contains(label) ? names[label] : "class \(label)"
      let ratios = [
        scores.intersectionOverUnion, scores.dice, scores.precision, scores.recall,
      ].map { $0.map(Self.decimal) ?? (scores.isAbsent ? "absent" : "-") }
      return ["\(label)"] + ratios + ["\(scores.pixelCount)", name]
    }
    let means = [
      "mean", Self.decimal(meanIntersectionOverUnion), Self.decimal(meanDice), "", "",
      "\(counts.pixelCount)", "",
    ]
    let pixelScores = [
      ("pixel accuracy", pixelAccuracy), ("pixel error", pixelError), ("cross-entropy", loss),
    ].map { name, value in
      name.padding(toLength: 14, withPad: " ", startingAt: 0) + "  " + Self.decimal(value)
    }
    return (Self.aligned([header] + body + [means]) + [""] + pixelScores).joined(separator: "\n")
  }

  /// Lines of right-aligned columns, the last one left-aligned, without blanks at the end.
  private static func aligned(_ rows: [[String]]) -> [String] {
    let last = (rows.first?.count ?? 1) - 1
    let widths = (0..<last).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = (0..<last).map { column in
        String(repeating: " ", count: widths[column] - row[column].count) + row[column]
      }
      let line = (cells + [row[last]]).joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
  }

  private static func decimal(_ value: Double) -> String {
    String(format: "%.4f", value)
  }
}
