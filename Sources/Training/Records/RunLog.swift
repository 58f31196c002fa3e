// The log of a run: one JSON object a line.

package import Files
import Foundation
import Metrics

/// The file `log.jsonl` of a run.
///
/// Lines are appended, each by one write(2), so that a reader never sees half of one but at the
/// moment a machine stops. Every line has a `step`; those of events also have `event`.
package final class RunLog: Sendable {
  /// The path of the file.
  package let path: String
  /// The steps whose lines are missing where a run goes on, in words; nil where all are there.
  package let missingSteps: String?
  private let file: Int32

  /// Opens the log at `path`, creating it if it is missing.
  ///
  /// - Parameters:
  ///   - step: the step that a run is resumed from. What the log says of later steps is cut off, since they
  ///     will be made again, and so is a last line that was not finished. Without a step the log is taken as
  ///     it is.
  ///   - isUnscored: whether an evaluation after that step is still to be made, or made again.
  ///   - line: the line of that step, for a log that was killed before it had it.
  package init(
    path: String, resumedFrom step: Int? = nil, isUnscored: Bool = false, line: String? = nil
  ) throws(FileError) {
    self.path = path
    file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw .refused("open the log", path) }
    guard let step else {
      missingSteps = nil
      return
    }
    do throws(FileError) {
      var kept = try Kept(of: path, upTo: step, isUnscored: isUnscored)
      guard ftruncate(file, kept.length) == 0 else { throw .refused("cut the log", path) }
      if let line, kept.lacks(step) {
        try Self.append(line, to: file, path: path)
        kept.add(step)
      }
      missingSteps = kept.missingSteps(upTo: step)
    } catch {
      close(file)
      throw error
    }
  }

  deinit { close(file) }

  /// Ranks of which each is told of in the line of a step; of more only the slowest one.
  package static let listedRanks = 64

  /// Appends the line of a training step.
  package func append(_ record: StepRecord) throws(FileError) {
    try Self.append(Self.line(of: record), to: file, path: path)
  }

  /// The line of a training step.
  static func line(of record: StepRecord) -> String {
    var line: [(name: String, value: JSONValue)] = [
      ("step", .integer(record.step)),
      ("epoch", .integer(record.epoch)),
      ("loss", .number(record.loss)),
      ("learning_rate", .number(record.learningRate)),
      ("gradient_norm", .number(record.gradientNorm)),
      ("images_per_second", .number(record.imagesPerSecond)),
      ("seconds", .object(record.seconds.parts.map { ($0.name, .number($0.seconds)) })),
    ]
    if let drawn = record.samples {
      line.append(("samples", .list(drawn.samples.map { .integer($0) })))
      line.append(("draws", .list(drawn.draws.map { .integer($0) })))
    }
    if let all = record.rankSeconds {
      let slowest = all.slowest
      line.append(("sent_bytes", .integer(record.sentByteCount)))
      line.append(("slowest_rank", .integer(slowest)))
      line.append(("slowest_rank_work", .number(all.ranks[slowest].work)))
      if all.ranks.count <= listedRanks {
        let parts = record.seconds.parts.indices.map { index in
          (
            record.seconds.parts[index].name,
            JSONValue.list(all.ranks.map { .number($0.parts[index].seconds) })
          )
        }
        line.append(("rank_seconds", .object(parts)))
      }
    }
    return JSONValue.object(line).json
  }

  /// Appends the line of an event, such as `start` or `evaluation`, after `step` updates.
  package func append(
    event: String, step: Int, _ fields: [(name: String, value: JSONValue)]
  ) throws(FileError) {
    let line = JSONValue.object([("event", .text(event)), ("step", .integer(step))] + fields)
    try Self.append(line.json, to: file, path: path)
  }

  private static func append(_ line: String, to file: Int32, path: String) throws(FileError) {
    let bytes = Array((line + "\n").utf8)
    let count = bytes.withUnsafeBytes { bytes in
      var count: Int
      repeat {
        count = write(file, bytes.baseAddress, bytes.count)
      } while count < 0
        && errno == EINTR
      return count
    }
    guard count >= 0 else { throw .refused("write the log", path) }
    guard count == bytes.count else {
      throw FileError(
        path: path, expected: "room for a line of \(bytes.count) bytes", found: "\(count)",
        hint: "make room on the disk, then continue with --resume")
    }
  }
}

// MARK: - Records

extension RunLog: RecordSink {
  /// Appends the line of a record; of the end there is none.
  package func take(_ record: RunRecord) throws {
    switch record {
    case .start(let start):
      try append(
        event: start.isResumed ? "resume" : "start", step: start.step,
        [
          ("time", .number(Date().timeIntervalSince1970)),
          ("program_version", .text(start.programVersion)),
          ("program_revision", .text(start.programRevision)),
          ("configuration_digest", .text(start.configurationDigest)),
          ("training_images", .integer(start.trainingImageCount)),
          ("validation_images", .list(start.validationImages.map { .text($0) })),
        ])
    case .step(let step, of: _): try append(step)
    case .evaluation(let evaluation):
      try append(
        event: "evaluation", step: evaluation.step,
        [("best", .boolean(evaluation.isBest)), ("scores", evaluation.scores.json())]
          + evaluation.thresholdFields)
    case .healed(let replica):
      try append(
        event: "healed", step: replica.step,
        [
          ("what", .text(replica.name)), ("ranks", .list(replica.ranks.map { .integer($0) })),
          ("tensors", .list(replica.tensors.map { .text($0) })),
        ])
    case .stop(let stop):
      try append(event: "stop", step: stop.step, [("signal", .text(stop.signal))])
    case .view, .end: break
    }
  }

  /// Forces all lines to the disk.
  package func flush() throws {
    while fsync(file) != 0 {
      // Pipes and the like have nothing to flush.
      if errno == EINVAL || errno == EROFS { return }
      guard errno == EINTR else { throw FileError.refused("flush the log", path) }
    }
  }
}

// MARK: - Resuming

/// What stays of a log when a run goes on from a step.
private struct Kept {
  /// The bytes before the first line of a step after that.
  let length: Int
  /// The step that the log begins after; nil for one without a beginning.
  private let start: Int?
  private var steps: Set<Int>

  init(of path: String, upTo step: Int, isUnscored: Bool) throws(FileError) {
    let bytes: Data
    do {
      bytes = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
    } catch {
      throw FileError(
        path: path, expected: "the log of the run that is continued", found: "an unreadable file",
        hint: "check its permissions")
    }
    var (steps, start): (Set<Int>, Int?) = ([], nil)
    length = LogLine.forEach(in: bytes) { line in
      if line.step > step || isUnscored && line.step == step && line.event == "evaluation" {
        return false
      }
      if line.event == nil { steps.insert(line.step) }
      if start == nil { start = line.event == nil ? line.step - 1 : line.step }
      return true
    }
    (self.steps, self.start) = (steps, start)
  }

  /// Whether the line of a step after the log's beginning is missing.
  func lacks(_ step: Int) -> Bool { start.map { step > $0 } == true && !steps.contains(step) }

  /// Counts a line that was added.
  mutating func add(_ step: Int) { steps.insert(step) }

  /// "5 to 7, 9 and 12": steps without a line, from where the log begins; nil where there are none.
  func missingSteps(upTo last: Int) -> String? {
    guard let start, start < last else { return nil }
    var ranges: [ClosedRange<Int>] = []
    for step in start + 1...last where !steps.contains(step) {
      if let range = ranges.last, range.upperBound == step - 1 {
        ranges[ranges.count - 1] = range.lowerBound...step
      } else {
        ranges.append(step...step)
      }
    }
    let texts = ranges.prefix(8).map { range in
      range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
    }
    guard let first = texts.first else { return nil }
    if ranges.count > texts.count { return texts.joined(separator: ", ") + " and more" }
    return texts.count == 1
      ? first : texts.dropLast().joined(separator: ", ") + " and " + texts[texts.count - 1]
  }
}
