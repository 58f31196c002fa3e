// The page on one run or several: what the template is given.

package import Files
package import Foundation
import Mustache

/// A self-contained page: one HTML file without outside links, for any browser, light or dark, wide or narrow.
package struct RunReport {
  private let runs: [ReportedRun]
  private let date: Date
  private let version: String

  /// Runs of a page at most: beyond, colours could not be told apart.
  package static let runLimit = 8

  /// A page on these runs, made by a program of this version.
  ///
  /// - Precondition: 1 to 8 runs.
  package init(_ runs: [ReportedRun], version: String, date: Date = Date()) {
    precondition((1...Self.runLimit).contains(runs.count), "a report of \(runs.count) runs")
    (self.runs, self.version, self.date) = (runs, version, date)
  }

  /// Writes the page, replacing the file at `path` as a whole.
  ///
  /// - Throws: `FileError`.
  package func write(to path: String) throws(FileError) {
    try DurableFile.write(html(), to: path)
  }

  /// The page.
  package func html() -> String {
    MustacheContentTypes.register(PageText(), named: PageText.name)
    // The template is this module's own, and a test renders it: it cannot be wrong for some runs only.
    guard let template = try? MustacheTemplate(string: ReportTemplate.page) else {
      preconditionFailure("the template of the report does not parse")
    }
    return template.render(context)
  }

  // MARK: - The page as a whole

  private var context: [String: Any] {
    let formatter = ISO8601DateFormatter()
    formatter.formatOptions = [.withFullDate]
    return [
      "title": runs.count == 1 ? runs[0].name : "\(runs.count) runs",
      "date": formatter.string(from: date), "version": version,
      "style": ReportTemplate.style, "script": ReportTemplate.script,
      "several": runs.count > 1, "single": runs.count == 1,
      "comparison": comparison, "charts": charts,
      "legend": heads,
      "confusions": runs.contains { $0.confusion != nil },
      "runs": runs.enumerated().map { section($1, number: $0) },
    ]
  }

  /// The table that has the runs side by side, results and options in which they differ, and that of their images.
  private var comparison: [String: Any] {
    var names: [String] = []
    for run in runs {
      for option in run.options where !names.contains(option.name) { names.append(option.name) }
    }
    let options = names.compactMap { name -> [String: Any]? in
      let values = runs.map { run in run.options.first { $0.name == name }?.value ?? "" }
      guard Set(values).count > 1, name != "output" else { return nil }
      return ["name": "--\(name)", "cells": values.map { ["pieces": Self.pieces($0)] }]
    }
    let facts = runs.map { Self.facts(of: $0) }
    let results = (facts.first ?? []).indices.map { row -> [String: Any] in
      ["name": facts[0][row].name, "cells": facts.map { ["pieces": Self.pieces($0[row].value)] }]
    }
    let dice = classNames.map { name -> [String: Any] in
      [
        "name": "its Dice of \(name)",
        "cells": runs.map { ["pieces": Self.pieces(Self.bestDice(of: name, in: $0))] },
      ]
    }
    return [
      "heads": heads, "rows": results + dice + options,
      "images": sharedImages.isEmpty
        ? [] : [["heads": heads, "rows": sharedImages] as [String: Any]],
    ]
  }

  private var heads: [[String: Any]] {
    runs.enumerated().map { ["style": "s\($0)", "text": $1.name] }
  }

  /// The mean IoU of each image that several runs have scored.
  private var sharedImages: [[String: Any]] {
    guard runs.count > 1 else { return [] }
    let scores = runs.map { run in
      Dictionary(run.images.map { ($0.name, $0.score) }, uniquingKeysWith: { first, _ in first })
    }
    var names: [String] = []
    for image in runs.flatMap(\.images) where !names.contains(image.name) {
      names.append(image.name)
    }
    return names.filter { name in scores.count { $0[name] != nil } > 1 }.map { name in
      ["name": name, "cells": scores.map { Self.cell($0[name] ?? nil) }]
    }
  }

  /// The names of the classes of all runs.
  private var classNames: [String] {
    var names: [String] = []
    for run in runs {
      for label in 0..<Self.classCount(of: run)
      where !names.contains(Self.className(label, of: run)) {
        names.append(Self.className(label, of: run))
      }
    }
    return names
  }

  private static func classCount(of run: ReportedRun) -> Int {
    run.history.evaluations.map(\.scores.classes.count).max() ?? 0
  }

  private static func className(_ label: Int, of run: ReportedRun) -> String {
    run.classes.indices.contains(label) ? run.classes[label].name : "class \(label)"
  }

  private static func bestDice(of name: String, in run: ReportedRun) -> String {
    guard let best = run.history.best,
      let label = best.scores.classes.indices.first(where: { className($0, of: run) == name })
    else { return "none" }
    return best.scores.classes[label].dice?.decimals(4) ?? "none"
  }

  /// A text in pieces between which a line may end: behind commas and slashes.
  private static func pieces(_ text: String) -> [[String: Any]] {
    var pieces: [String] = [""]
    for character in text {
      pieces[pieces.count - 1].append(character)
      if character == "," || character == "/" { pieces.append("") }
    }
    return pieces.filter { !$0.isEmpty }.map { ["text": $0] }
  }

  /// A number of a table that can be sorted; one without a value is behind all others.
  private static func cell(_ value: Double?) -> [String: Any] {
    guard let value else { return ["text": "none", "value": "-1"] }
    let isCount = value == value.rounded() && abs(value) > 1
    return [
      "text": isCount ? Int(min(value, 1e15)).grouped : value.decimals(4), "value": "\(value)",
    ]
  }

  // MARK: - Curves

  private var charts: [[String: Any]] {
    var charts = [
      // Another quantity than the validation's, so that they are on no common axis.
      chart("Training loss", "\(trainingLoss), mean over a batch", isLogarithmic: true) {
        $0.steps.map { ($0.step, $0.loss) }
      },
      chart("Validation loss", "cross-entropy, mean over the labelled pixels", isLogarithmic: true)
      {
        $0.evaluations.map { ($0.step, $0.scores.loss) }
      },
      chart("Mean intersection over union", "of the validation images") {
        $0.evaluations.map { ($0.step, $0.scores.meanIntersectionOverUnion) }
      },
    ]
    charts += runs.count == 1 ? [diceChart(of: runs[0])] : classNames.map(diceChart)
    charts.append(
      chart("Learning rate", "") { $0.steps.map { ($0.step, $0.learningRate) } })
    charts.append(
      chart("Norm of the gradient", "before clipping", isLogarithmic: true) {
        $0.steps.map { ($0.step, $0.gradientNorm) }
      })
    charts.append(
      chart("Images per second", "over all ranks") {
        $0.steps.map { ($0.step, $0.imagesPerSecond) }
      })
    return charts.compactMap(\.self)
  }

  /// What the runs have made small.
  private var trainingLoss: String {
    let names = Set(
      runs.map { run in run.options.first { $0.name == "loss" }?.value ?? "by --loss" })
    return names.count == 1 ? names.first ?? "" : "by --loss of each run"
  }

  private typealias Points = (RunHistory) -> [(step: Int, value: Double?)]

  /// A chart of one quantity, a line for each run.
  private func chart(
    _ title: String, _ text: String, isLogarithmic: Bool = false, _ points: Points
  ) -> [String: Any]? {
    let lines = runs.enumerated().map { number, run in
      LineChart.Line(
        style: "s\(number)",
        points: points(run.history).compactMap { step, value in value.map { (Double(step), $0) } })
    }
    let chart = LineChart(
      title: title + (text.isEmpty ? "" : ", \(text)"), lines: lines, isLogarithmic: isLogarithmic)
    return chart.svg.map { ["title": title, "text": text, "svg": $0] }
  }

  /// The Dice of each class over the steps, for as many classes as there are colours.
  private func diceChart(of run: ReportedRun) -> [String: Any]? {
    let labels = 0..<min(Self.runLimit, Self.classCount(of: run))
    let lines = labels.map {
      LineChart.Line(style: "s\($0)", points: Self.dice(ofClass: $0, in: run))
    }
    return LineChart(title: "Dice of each class", lines: lines).svg.map { svg in
      [
        "title": "Dice of each class", "text": "", "svg": svg,
        "keys": labels.map { ["style": "s\($0)", "text": Self.className($0, of: run)] },
      ]
    }
  }

  /// The Dice of a class over the steps, a line for each run that has it.
  private func diceChart(of name: String) -> [String: Any]? {
    let lines = runs.enumerated().map { number, run in
      let label = (0..<Self.classCount(of: run)).first { Self.className($0, of: run) == name }
      return LineChart.Line(
        style: "s\(number)", points: label.map { Self.dice(ofClass: $0, in: run) } ?? [])
    }
    return LineChart(title: "Dice of \(name)", lines: lines).svg.map {
      ["title": "Dice of \(name)", "text": "", "svg": $0]
    }
  }

  private static func dice(ofClass label: Int, in run: ReportedRun) -> [(x: Double, y: Double)] {
    run.history.evaluations.compactMap { evaluation in
      let classes = evaluation.scores.classes
      guard classes.indices.contains(label), let dice = classes[label].dice else { return nil }
      return (Double(evaluation.step), dice)
    }
  }

  // MARK: - A run

  /// What is told of a run in a few numbers.
  private static func facts(of run: ReportedRun) -> [(name: String, value: String)] {
    let history = run.history
    let best = history.best
    return [
      ("best mean IoU", best?.scores.meanIntersectionOverUnion?.decimals(4) ?? "none"),
      ("its mean Dice", best?.scores.meanDice?.decimals(4) ?? "none"),
      ("after step", best.map { "\($0.step)" } ?? "none"),
      ("steps", history.steps.last.map { "\($0.step)" } ?? "0"),
      ("time of the steps", duration(history.seconds)),
      ("images trained on", history.start?.trainingImages.map { "\($0)" } ?? "unknown"),
      ("validated on", history.start?.validationImages.map { "\($0.count)" } ?? "unknown"),
    ]
  }

  private static func duration(_ seconds: Double) -> String {
    let whole = Int(min(max(0, seconds), 1e12).rounded())
    if whole < 60 { return "\(seconds.decimals(whole < 1 ? 3 : 1)) s" }
    return whole < 3600
      ? "\(whole / 60) min \(whole % 60) s" : "\(whole / 3600) h \(whole / 60 % 60) min"
  }

  private func section(_ run: ReportedRun, number: Int) -> [String: Any] {
    [
      "name": run.name, "path": run.path, "style": "s\(number)", "open": runs.count == 1,
      "facts": Self.facts(of: run).map { ["name": $0.name, "value": $0.value] },
      "remarks": run.remarks.map { ["text": $0] },
      "about": [run.data, run.network].compactMap(\.self).map { ["text": $0] },
      "program": run.history.start?.programVersion.map { version in
        "unet-dist \(version)"
          + (run.history.start?.programRevision.map { " (\($0.prefix(12)))" } ?? "")
      } ?? "",
      "confusion": run.confusion.map { [confusion($0)] } ?? [],
      "examples": run.examples.map { example in
        [
          "place": example.place, "name": example.name, "score": example.score.decimals(4),
          "pictures": example.pictures.map { caption, picture in
            [
              "caption": caption, "address": picture.address, "width": "\(picture.width)",
              "height": "\(picture.height)", "text": "\(example.place): \(caption)",
            ]
          },
        ] as [String: Any]
      },
      "classes": run.examples.isEmpty
        ? []
        : run.classes.map { known in
          ["name": known.name, "colour": known.colour ?? "", "grey": known.colour == nil]
        },
      "pictured": !run.examples.isEmpty,
      "images": run.images.isEmpty ? [] : [images(run)],
      "parts": parts(run),
      "ranks": run.history.secondsByRank.count > 1 ? [ranks(run)] : [],
      "options": run.options.map { option in
        ["name": "--\(option.name)", "pieces": Self.pieces(option.value), "reason": option.reason]
      },
      "command": run.command.map { [["text": $0]] } ?? [],
    ]
  }

  private func confusion(_ confusion: ReportedRun.Confusion) -> [String: Any] {
    let rows = zip(confusion.names, confusion.counts).enumerated().map {
      row, entry -> [String: Any] in
      let (name, counts) = entry
      let total = counts.reduce(0, +)
      let cells = counts.enumerated().map { column, count -> [String: Any] in
        let share = total == 0 ? 0 : Double(count) / Double(total)
        return [
          "share": total == 0 ? "none" : (100 * share).decimals(2) + " %", "count": count.grouped,
          "right": row == column, "depth": "\(Int((share * 70).rounded()))",
        ]
      }
      return ["name": name, "cells": cells]
    }
    return ["heads": confusion.names.map { ["text": $0] }, "rows": rows]
  }

  private func images(_ run: ReportedRun) -> [String: Any] {
    [
      "heads": run.imageColumns.map { ["text": $0] },
      "rows": run.images.map { image in
        ["name": image.name, "cells": image.values.map(Self.cell)] as [String: Any]
      },
    ]
  }

  private func parts(_ run: ReportedRun) -> [[String: Any]] {
    let total = run.history.seconds
    guard total > 0 else { return [] }
    return run.history.secondsByPart.map { part, seconds in
      [
        "name": part, "seconds": Self.duration(seconds),
        "share": (100 * seconds / total).decimals(1) + " %",
        "width": (100 * seconds / total).decimals(2),
      ]
    }
  }

  private func ranks(_ run: ReportedRun) -> [String: Any] {
    let ranks = run.history.secondsByRank
    return [
      "heads": RunHistory.parts.map { ["text": $0] },
      "rows": ranks.enumerated().map { rank, seconds in
        [
          "name": "\(rank)",
          "cells": seconds.map { ["text": $0.decimals($0 < 10 ? 3 : 1), "value": "\($0)"] },
        ] as [String: Any]
      },
    ]
  }
}
