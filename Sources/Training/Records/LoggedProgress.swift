// How far a run has come, by its log.

import Checkpoints
import Foundation

/// The last start of a run, as its folder tells of it to somebody outside.
///
/// A start has won steps if the next one begins after a later step than it did: so nobody has to know of which steps
/// the state was kept.
package struct LoggedProgress: Equatable, Sendable {
  /// The beginning of a run, or of a part of it.
  package struct Start: Equatable, Sendable {
    /// When it was, in seconds since 1970, which tells starts apart.
    package let time: Double
    /// The step that it began after.
    package let step: Int

    package init(time: Double, step: Int) { (self.time, self.step) = (time, step) }
  }

  /// When the run was last begun or gone on with, and after which step; nil where it has not told yet.
  package let start: Start?
  /// Whether a signal has ended it in good order.
  package let wasStopped: Bool
  /// Whether the next start finds something of the last one, be it what that has begun from.
  package let canGoOn: Bool

  /// The progress of the run in `folder`; of none where there is no log.
  package init(of folder: String) {
    let log = try? Data(
      contentsOf: URL(fileURLWithPath: folder + "/log.jsonl"), options: .alwaysMapped)
    var (start, wasStopped): (Start?, Bool) = (nil, false)
    _ = LogLine.forEach(in: log ?? Data()) { line in
      if ["start", "resume"].contains(line.event), let time = line.time {
        start = Start(time: time, step: line.step)
      }
      wasStopped = line.event == "stop"
      return true
    }
    (self.start, self.wasStopped) = (start, wasStopped)
    let saved = RunFolder.step(of: .latest, in: folder) ?? 0
    // A start that goes on keeps its state before it tells of itself.
    canGoOn = start.map { StepStateMark.isThere(in: folder) || saved > $0.step } ?? false
  }
}
