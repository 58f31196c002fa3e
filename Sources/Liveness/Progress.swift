// Marks of progress: how a watch can tell a process at work from one that is stuck.

import CLiveness

/// What this process does, told by whoever does it and read by a ``StallWatch``.
///
/// All of it costs next to nothing and may be called from any thread.
package enum Progress {
  /// What a process is at.
  package enum Phase: Int64, Sendable {
    case start
    case joining
    case preparation
    case step
    case evaluation
    case checkpoint
    /// The work of a command that has no steps.
    case work
    case end
  }

  /// Tells that a piece of work was done: of a loop, of a file, of an exchange.
  package static func beat() { CLiveness_beat() }

  /// Tells what begins.
  package static func enter(_ phase: Phase, step: Int = 0) {
    guard let marks = CLiveness_marks() else { return }
    CLiveness_store(&marks.pointee.step, Int64(step))
    CLiveness_store(&marks.pointee.phase, phase.rawValue)
    beat()
  }

  /// Tells that a call begins which waits for other ranks; ``endWaiting()`` follows.
  package static func beginWaiting() { CLiveness_wait(1) }

  /// Tells that a call which waits for other ranks has ended.
  package static func endWaiting() {
    CLiveness_wait(-1)
    beat()
  }
}
