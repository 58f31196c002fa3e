// The log of a run: one JSON object a line.

import Files
import Foundation

/// What is recorded of one training step.
package struct StepRecord: Equatable, Sendable {
  /// Seconds that the parts of a step took.
  package struct Seconds: Equatable, Sendable {
    /// Waiting for samples.
    package var load: Double
    /// The forward pass.
    package var forward: Double
    /// The backward pass.
    package var backward: Double
    /// Waiting for the other ranks.
    package var reduce: Double
    /// The optimiser's update.
    package var update: Double

    /// The parts of a step.
    package init(
      load: Double = 0, forward: Double = 0, backward: Double = 0, reduce: Double = 0,
      update: Double = 0
    ) {
      self.load = load
      self.forward = forward
      self.backward = backward
      self.reduce = reduce
      self.update = update
    }

    /// The parts in the order of time, under their names in logs.
    package var parts: [(name: String, seconds: Double)] {
      [
        ("load", load), ("forward", forward), ("backward", backward), ("reduce", reduce),
        ("update", update),
      ]
    }
  }

  /// The number of updates made, this one included.
  package var step: Int
  /// The epoch that the step belongs to, from 0.
  package var epoch: Int
  /// The loss over the global batch.
  package var loss: Double
  /// The learning rate of the update.
  package var learningRate: Double
  /// The Euclidean norm of the whole gradient, before clipping.
  package var gradientNorm: Double
  /// Samples a second over all ranks.
  package var imagesPerSecond: Double
  /// Where the time went, on the rank that writes the log.
  package var seconds: Seconds
  /// Where it went on all ranks, where there are several.
  package var rankSeconds: RankSeconds?
  /// The bytes of gradients and weights that the rank which writes the log has sent.
  package var sentByteCount: Int

  /// A record from its parts.
  package init(
    step: Int, epoch: Int, loss: Double, learningRate: Double, gradientNorm: Double,
    imagesPerSecond: Double, seconds: Seconds, rankSeconds: RankSeconds? = nil,
    sentByteCount: Int = 0
  ) {
    self.step = step
    self.epoch = epoch
    self.loss = loss
    self.learningRate = learningRate
    self.gradientNorm = gradientNorm
    self.imagesPerSecond = imagesPerSecond
    self.seconds = seconds
    self.rankSeconds = rankSeconds
    self.sentByteCount = sentByteCount
  }
}

/// The file `log.jsonl` of a run.
///
/// Lines are appended, each by one write(2), so that a reader never sees half of one but at the
/// moment a machine stops. Every line has a `step`; those of events also have `event`.
package final class RunLog: Sendable {
  /// The path of the file.
  package let path: String
  private let file: Int32

  /// Opens the log at `path`, creating it if it is missing.
  ///
  /// - Parameter step: the step that a run is resumed from. What the log says of later steps is cut
  ///   off, since they will be made again, and so is a last line that was not finished. Without a
  ///   step the log is taken as it is.
  package init(path: String, resumedFrom step: Int? = nil) throws(FileError) {
    self.path = path
    file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw .refused("open the log", path) }
    guard let step else { return }
    do throws(FileError) {
      let length = try Self.length(of: path, upTo: step)
      guard ftruncate(file, length) == 0 else { throw .refused("cut the log", path) }
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
    var line: [(name: String, value: JSONValue)] = [
      ("step", .integer(record.step)),
      ("epoch", .integer(record.epoch)),
      ("loss", .number(record.loss)),
      ("learning_rate", .number(record.learningRate)),
      ("gradient_norm", .number(record.gradientNorm)),
      ("images_per_second", .number(record.imagesPerSecond)),
      ("seconds", .object(record.seconds.parts.map { ($0.name, .number($0.seconds)) })),
    ]
    if let all = record.rankSeconds {
      let slowest = all.slowest
      line.append(("sent_bytes", .integer(record.sentByteCount)))
      line.append(("slowest_rank", .integer(slowest)))
      line.append(("slowest_rank_work", .number(all.ranks[slowest].work)))
      if all.ranks.count <= Self.listedRanks {
        let parts = record.seconds.parts.indices.map { index in
          (
            record.seconds.parts[index].name,
            JSONValue.list(all.ranks.map { .number($0.parts[index].seconds) })
          )
        }
        line.append(("rank_seconds", .object(parts)))
      }
    }
    try append(line: .object(line))
  }

  /// Appends the line of an event, such as `start` or `evaluation`, after `step` updates.
  package func append(
    event: String, step: Int, _ fields: [(name: String, value: JSONValue)]
  ) throws(FileError) {
    try append(line: .object([("event", .text(event)), ("step", .integer(step))] + fields))
  }

  private func append(line: JSONValue) throws(FileError) {
    let bytes = Array((line.json + "\n").utf8)
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

// MARK: - Resuming

extension RunLog {
  private struct Line: Decodable {
    let step: Int?
  }

  /// The bytes of the log at `path` before the first line of a step after `step`.
  private static func length(of path: String, upTo step: Int) throws(FileError) -> Int {
    let bytes: Data
    do {
      bytes = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
    } catch {
      throw FileError(
        path: path, expected: "the log of the run that is continued", found: "an unreadable file",
        hint: "check its permissions")
    }
    let decoder = JSONDecoder()
    var start = bytes.startIndex
    while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
      // A line that is no JSON is not this program's; it stays where it is.
      if let found = try? decoder.decode(Line.self, from: bytes[start..<end]).step, found > step {
        break
      }
      start = end + 1
    }
    return start - bytes.startIndex
  }
}
