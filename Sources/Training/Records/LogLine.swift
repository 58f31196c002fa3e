// What every line of a run's log has, for those who look where a run stands.

import Foundation

/// A line of `log.jsonl`, as far as starts and steps go.
struct LogLine: Decodable {
  /// What happened; nil for a training step.
  let event: String?
  /// The updates that were made by then.
  let step: Int
  /// When it happened, of starts, in seconds since 1970.
  let time: Double?

  /// Lets `visit` see the lines of a log in order, until it returns false.
  ///
  /// A line that is no JSON is not this program's, and one without an end is not finished; both are passed over.
  ///
  /// - Returns: the bytes before the line at which `visit` has ended it, or of all whole lines.
  static func forEach(in log: Data, _ visit: (LogLine) -> Bool) -> Int {
    let decoder = JSONDecoder()
    var start = log.startIndex
    while let end = log[start...].firstIndex(of: UInt8(ascii: "\n")) {
      if let line = try? decoder.decode(LogLine.self, from: log[start..<end]), !visit(line) {
        break
      }
      start = end + 1
    }
    return start - log.startIndex
  }

  /// Whether the log at `path` has a step, or cannot be read.
  static func mayTellOfSteps(_ path: String) -> Bool {
    guard let log = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped) else {
      return true
    }
    var hasStep = false
    _ = forEach(in: log) { line in
      hasStep = line.event == nil
      return !hasStep
    }
    return hasStep
  }
}
