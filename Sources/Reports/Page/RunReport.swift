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
      "legend": runs.enumerated().map { ["style": "s\($0)", "text": $1.name] },
      "runs": runs.enumerated().map { section($1, number: $0) },
    ]
  }

  /// The rows of the table that has the runs side by side: options in which they differ, and results.
  private var comparison: [String: Any] {
    var names: [String] = []
    for run in runs {
      for option in run.options where !names.contains(option.name) { names.append(option.name) }
    }
    let left = ["output", "seed"]
    let options = names.compactMap { name -> [String: Any]? in
      let values = runs.map { run in run.options.first { $0.name == name }?.value ?? "" }
      guard Set(values).count > 1, !left.contains(name) || name == "seed" else { return nil }
      return ["name": "--\(name)", "cells": values.map { ["text": $0] }]
    }
    let facts = runs.map { Self.facts(of: $0) }
    let results = (facts.first ?? []).indices.map { row -> [String: Any] in
      [
        "name": facts[0][row].name,
        "cells": facts.map { ["text": $0[row].value] },
      ]
    }
    return [
      "heads": runs.enumerated().map { ["style": "s\($0)", "text": $1.name] },
      "rows": results + options,
    ]
  }

  // MARK: - Curves

  private var charts: [[String: Any]] {
    let hasScores = runs.contains { !$0.history.evaluations.isEmpty }
    var charts = [
      chart(
        "Loss", "the training's, mean over a batch; bold is the validation's", isLogarithmic: true,
        { $0.steps.map { ($0.step, $0.loss) } },
        { $0.evaluations.map { ($0.step, $0.scores.loss) } })
    ]
    if hasScores {
      charts.append(
        chart("Mean intersection over union", "of the validation images") {
          $0.evaluations.map { ($0.step, $0.scores.meanIntersectionOverUnion) }
        })
    }
    if runs.count == 1 { charts.append(diceChart(of: runs[0])) }
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

  private typealias Points = (RunHistory) -> [(step: Int, value: Double?)]

  private func chart(
    _ title: String, _ text: String, isLogarithmic: Bool = false, _ points: Points,
    _ bold: Points? = nil
  ) -> [String: Any]? {
    func lines(_ points: Points, _ style: String) -> [LineChart.Line] {
      runs.enumerated().map { number, run in
        LineChart.Line(
          style: "s\(number)\(style)",
          points: points(run.history).compactMap { step, value in
            value.map { (Double(step), $0) }
          })
      }
    }
    let chart = LineChart(
      title: title + (text.isEmpty ? "" : ", \(text)"),
      lines: lines(points, bold == nil ? "" : " thin") + (bold.map { lines($0, "") } ?? []),
      isLogarithmic: isLogarithmic)
    return chart.svg.map { ["title": title, "text": text, "svg": $0] }
  }

  /// The Dice of each class over the steps, for as many classes as there are colours.
  private func diceChart(of run: ReportedRun) -> [String: Any]? {
    let evaluations = run.history.evaluations
    let count = min(Self.runLimit, evaluations.map(\.scores.classes.count).max() ?? 0)
    let names = (0..<count).map { label in
      run.classNames.indices.contains(label) ? run.classNames[label] : "class \(label)"
    }
    let lines = (0..<count).map { label in
      LineChart.Line(
        style: "s\(label)",
        points: evaluations.compactMap { evaluation in
          let classes = evaluation.scores.classes
          guard classes.indices.contains(label), let dice = classes[label].dice else { return nil }
          return (Double(evaluation.step), dice)
        })
    }
    return LineChart(title: "Dice of each class", lines: lines).svg.map { svg in
      [
        "title": "Dice of each class", "text": "", "svg": svg,
        "keys": names.enumerated().map {
          ["style": "s\($0)", "text": $1]
        },
      ]
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
      "images": run.images.isEmpty ? [] : [images(run)],
      "parts": parts(run),
      "ranks": run.history.secondsByRank.count > 1 ? [ranks(run)] : [],
      "options": run.options.map { option in
        ["name": "--\(option.name)", "value": option.value, "reason": option.reason ?? ""]
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
      "heads": run.classNames.map { ["text": "Dice of \($0)"] },
      "rows": run.images.map { image in
        [
          "name": image.name, "score": image.score.decimals(4),
          "error": (100 * image.pixelError).decimals(2) + " %",
          "errorValue": "\(image.pixelError)",
          "dice": image.dice.map { dice in
            ["text": dice?.decimals(4) ?? "none", "value": "\(dice ?? -1)"]
          },
        ] as [String: Any]
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
