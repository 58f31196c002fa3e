// The log's lines, how it is cut on resuming, and what a person sees.

import Files
import Foundation
import Logging
import Metrics
import TestSupport
import Testing
import Training

private func record(_ step: Int, loss: Double = 0.5) -> StepRecord {
  StepRecord(
    step: step, epoch: 0, loss: loss, learningRate: 0.01, gradientNorm: 2, imagesPerSecond: 3.25,
    seconds: .init(load: 0.1, forward: 0.2, backward: 0.3, reduce: 0.4, update: 0.5))
}

private func evaluation(_ step: Int, isBest: Bool) -> EvaluationRecord {
  var counts = ConfusionCounts(classes: 2)
  counts.add(truth: [0, 1, 1, 1], prediction: [0, 0, 1, 1])
  return EvaluationRecord(
    step: step, scores: SegmentationScores(counts: counts, loss: 0.5), isBest: isBest,
    classNames: ["background", "cell"])
}

@Suite struct RunLogTests {
  @Test func linesAreObjectsInAStableOrder() throws {
    let folder = try ScratchFolder()
    let log = try RunLog(path: folder.path + "/log.jsonl")
    try log.append(event: "start", step: 0, [("ranks", 2), ("host", .text("a\"b\\\n\u{1}é"))])
    try log.append(record(1))
    try log.append(record(2, loss: .nan))
    try log.append(record(3, loss: .infinity))
    let lines = try folder.text(of: "log.jsonl").split(separator: "\n")
    #expect(lines.count == 4)
    let objects = try lines.map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    #expect(objects[0]["event"] as? String == "start")
    #expect(objects[0]["host"] as? String == "a\"b\\\n\u{1}é")
    #expect(
      lines[1]
        == "{\"step\": 1, \"epoch\": 0, \"loss\": 0.5, \"learning_rate\": 0.01, "
        + "\"gradient_norm\": 2.0, \"images_per_second\": 3.25, \"seconds\": {\"load\": 0.1, "
        + "\"forward\": 0.2, \"backward\": 0.3, \"reduce\": 0.4, \"update\": 0.5}}")
    #expect(objects[2]["loss"] is NSNull)
    #expect(objects[3]["loss"] is NSNull)
    let mode = try FileManager.default.attributesOfItem(atPath: log.path)[.posixPermissions]
    #expect(try mode as? Int == created(0o666))
  }

  @Test func resumingCutsLaterStepsAndATornLine() throws {
    let folder = try ScratchFolder()
    let path = folder.path + "/log.jsonl"
    do {
      let log = try RunLog(path: path)
      try log.append(event: "start", step: 0, [])
      for step in 1...5 { try log.append(record(step)) }
      try log.append(event: "evaluation", step: 5, [("dice", 0.5)])
    }
    let whole = try folder.text(of: "log.jsonl")
    _ = try folder.write(whole + "{\"step\": 6, \"lo", to: "log.jsonl")
    _ = try RunLog(path: path, resumedFrom: 5)
    #expect(try folder.text(of: "log.jsonl") == whole)
    let log = try RunLog(path: path, resumedFrom: 3)
    try log.append(event: "start", step: 3, [])
    try log.append(record(4, loss: 0.25))
    let lines = try folder.text(of: "log.jsonl").split(separator: "\n")
    #expect(lines.count == 6)
    #expect(lines[3].hasPrefix("{\"step\": 3,"))
    #expect(lines[5].contains("0.25"))
    _ = try RunLog(path: path, resumedFrom: 0)
    #expect(try folder.text(of: "log.jsonl") == "{\"event\": \"start\", \"step\": 0}\n")
  }

  @Test func resumingTellsWhichLinesAreMissing() throws {
    let folder = try ScratchFolder()
    func missing(from start: Int, _ steps: [Int], upTo last: Int) throws -> String? {
      let path = folder.path + "/log-\(UUID().uuidString).jsonl"
      let log = try RunLog(path: path)
      try log.append(event: "start", step: start, [])
      for step in steps { try log.append(record(step)) }
      try log.flush()
      return try RunLog(path: path, resumedFrom: last).missingSteps
    }
    #expect(try missing(from: 0, [1, 2, 3, 4], upTo: 3) == nil)
    #expect(try missing(from: 0, [1, 2, 3], upTo: 5) == "4 to 5")
    #expect(try missing(from: 0, [2, 3, 6, 8], upTo: 8) == "1, 4 to 5 and 7")
    // A run that goes on in another folder has no lines of what was before.
    #expect(try missing(from: 4, [5, 7], upTo: 7) == "6")
    #expect(
      try missing(from: 0, Array(stride(from: 2, through: 40, by: 2)), upTo: 40)
        == "1, 3, 5, 7, 9, 11, 13, 15 and more")
  }

  @Test func resumingToleratesStrangeLogs() throws {
    let folder = try ScratchFolder()
    for text in ["", "\n\n", "no newline", "{\"step\": \"x\"}\n", "[1]\n\u{0}\n"] {
      let path = try folder.write(text, to: "log.jsonl")
      _ = try RunLog(path: path, resumedFrom: 1)
      let kept = try folder.text(of: "log.jsonl")
      #expect(text.hasPrefix(kept) && (kept.isEmpty || kept.hasSuffix("\n")))
    }
    _ = try RunLog(path: folder.path + "/new.jsonl", resumedFrom: 4)
  }

  @Test func anEvaluationThatIsMadeAgainIsCutOff() throws {
    let folder = try ScratchFolder()
    let lines = [
      #"{"event": "start", "step": 0}"#, #"{"step": 1}"#, #"{"step": 2}"#,
      #"{"event": "evaluation", "step": 2}"#, #"{"step": 3}"#,
    ].map { $0 + "\n" }
    for (isUnscored, kept) in [(false, 4), (true, 3)] {
      let path = try folder.write(lines.joined(), to: "log-\(kept).jsonl")
      _ = try RunLog(path: path, resumedFrom: 2, isUnscored: isUnscored)
      #expect(try folder.text(of: "log-\(kept).jsonl") == lines.prefix(kept).joined())
    }
  }

  /// A run that was killed between a step's state and its line has the line in the state.
  @Test func theLineOfTheLastStepIsAddedWhereItIsMissing() throws {
    let folder = try ScratchFolder()
    let line = #"{"step": 2, "loss": 1}"#
    for (index, steps) in [[1], [1, 2], [1, 2, 3]].enumerated() {
      let lines =
        [#"{"event": "start", "step": 0}"#] + steps.map { #"{"step": \#($0), "loss": 1}"# }
      let path = try folder.write(lines.joined(separator: "\n") + "\n", to: "log-\(index)")
      let log = try RunLog(path: path, resumedFrom: 2, line: line)
      #expect(log.missingSteps == nil)
      #expect(
        try folder.text(of: "log-\(index)")
          == (lines.prefix(2) + [line]).joined(separator: "\n") + "\n")
    }
  }

  @Test func unwritableLogIsAnError() throws {
    let folder = try ScratchFolder()
    let error = try #require(throws: FileError.self) {
      try RunLog(path: folder.path + "/none/log.jsonl")
    }
    #expect(error.description.contains("/none/log.jsonl: cannot open the log: No such file"))
    let full = try RunLog(path: "/dev/full")
    let noRoom = try #require(throws: FileError.self) { try full.append(record(1)) }
    #expect(noRoom.description.contains("No space left"))
  }
}

@Suite struct RunDisplayTests {
  private func shown(
    terminal: Bool, logEvery: Int = 0, colours: TerminalColours = .none,
    _ body: (RunDisplay) -> Void
  ) throws -> String {
    let folder = try ScratchFolder()
    let path = try folder.write("", to: "out")
    let file = open(path, O_WRONLY)
    try #require(file >= 0)
    defer { close(file) }
    body(
      RunDisplay(descriptor: file, isTerminal: terminal, logEvery: logEvery, colours: colours))
    return try folder.text(of: "out")
  }

  /// The first step, one every ten seconds or so many steps, and the last.
  @Test(arguments: [(0, [1, 11, 21, 30]), (7, [1, 7, 14, 21, 28, 30]), (1, Array(1...30))])
  func someStepsAreLinesOutsideATerminal(logEvery: Int, expected: [Int]) throws {
    let text = try shown(terminal: false, logEvery: logEvery) { display in
      for step in 1...30 { display.show(record(step), totalSteps: 30, at: Double(step)) }
      display.write("note")
      display.finish()
    }
    let lines = text.split(separator: "\n")
    #expect(lines.dropLast().map { Int($0.dropFirst(5).prefix { $0 != "/" }) } == expected)
    #expect(lines[0] == "step 1/30  loss 0.5000  3.25 images/s" && lines.last == "note")
    #expect(!text.contains("\u{1B}"))
  }

  /// Where there is no window a line tells of an evaluation, and the table of the best comes at the end.
  @Test(arguments: [false, true])
  func evaluationsAreALineEachOutsideATerminal(terminal: Bool) throws {
    let text = try shown(terminal: terminal) { display in
      for (step, isBest) in [(10, true), (20, true), (30, false)] {
        display.take(.evaluation(evaluation(step, isBest: isBest)))
      }
      display.take(.end(EndRecord(steps: 30, latestPath: "run/latest.safetensors", best: nil)))
    }
    let lines = text.split(separator: "\n").map(String.init)
    let told = lines.filter { $0.hasPrefix("evaluation after step") }
    if terminal {
      #expect(told.count == 3)
    } else {
      #expect(told.count == 4, "\(text)")
      #expect(
        told[0].hasPrefix("evaluation after step 10: mean IoU ")
          && told[0].hasSuffix(" (the best so far)"))
      #expect(!told[2].contains("best"))
      #expect(told[3] == "evaluation after step 20, the best")
      // The table stands once, before the last line.
      #expect(lines.count > 8 && lines.last?.hasPrefix("30 steps done") == true)
    }
  }

  @Test func theLossThatIsShownIsAMovingMean() throws {
    let losses = (1...100).map { $0 <= 50 ? 2.0 : 1 }
    let text = try shown(terminal: false, logEvery: 1) { display in
      for (step, loss) in losses.enumerated() {
        display.show(record(step + 1, loss: loss), totalSteps: 100, at: Double(step))
      }
    }
    let shown = text.split(separator: "\n").compactMap {
      Double($0.split(separator: "  ")[1].dropFirst(5))
    }
    #expect(shown[0] == 2 && shown[49] == 2)
    // A twentieth of what is left goes with each step.
    #expect(abs(shown[50] - 1.95) < 1e-4 && abs(shown[99] - (1 + pow(0.95, 50))) < 1e-4)
  }

  @Test func theBarIsRedrawnTenTimesASecondAndCleared() throws {
    let text = try shown(terminal: true) { display in
      for step in 1...1000 { display.show(record(step), totalSteps: 5000, at: Double(step) / 1000) }
      display.write("note")
      display.finish()
    }
    let drawings = text.components(separatedBy: "\r\u{1B}[2K").count - 1
    #expect((9...14).contains(drawings))
    #expect(text.contains("\r\u{1B}[2Knote\n["))
    #expect(text.hasSuffix("\r\u{1B}[2K"))
  }

  @Test func coloursAreThoseOfTheBarAndOfWarnings() throws {
    let text = try shown(terminal: true, colours: TerminalColours(isTerminal: true) { _ in nil }) {
      display in
      display.show(record(500), totalSteps: 1000, at: 0)
      display.warn("careful")
    }
    #expect(text.contains("[\u{1B}[32m####"))
    #expect(text.contains("\u{1B}[33mwarning:\u{1B}[0m careful\n"))
  }

  @Test func theBarFitsTheWindow() {
    for width in [0, 1, 10, 40, 60, 80, 300] {
      for step in [0, 1, 500, 1000, 2000] {
        let line = ProgressLine(record: record(step), totalSteps: 1000, secondsLeft: 5000)
        #expect(line.bar(width: width).count <= max(0, width - 1))
      }
    }
    let line = ProgressLine(record: record(500), totalSteps: 1000, secondsLeft: 3661)
    #expect(
      line.bar(width: 72)
        == "[######.......] step 500/1000  loss 0.5000  3.25 images/s  left 1:01:01")
    let scored = ProgressLine(
      record: record(500), totalSteps: 1000, loss: 0.25, score: 0.875, secondsLeft: nil)
    #expect(scored.plain == "step 500/1000  loss 0.2500  IoU 0.8750  3.25 images/s")
  }

  @Test func strangeNumbersAreShown() {
    for value in [Double.nan, .infinity, -.infinity, 1e300, -1e-9, -2.5] {
      var strange = record(1, loss: value)
      strange.imagesPerSecond = value
      let line = ProgressLine(record: strange, totalSteps: 0, secondsLeft: value)
      #expect(!line.plain.isEmpty)
      #expect(line.bar(width: 80).count <= 79)
    }
  }

  @Test func messagesCarryTheirLevel() throws {
    let text = try shown(terminal: false) { display in
      var logger = Logger(label: "test") { _ in RunDisplayLogHandler(display: display) }
      logger[metadataKey: "rank"] = "1"
      logger.debug("hidden")
      logger.info("hello")
      logger.warning("careful", metadata: ["a": "b"])
    }
    #expect(text == "hello rank=1\nwarning: careful a=b rank=1\n")
  }
}
