// Whether a process that has ended is started again, and when.

import Liveness

/// The decisions of a supervisor, apart from processes and clocks.
package struct RestartPolicy {
  /// What to do next.
  package enum Decision: Equatable {
    /// Start again after so many seconds.
    case restart(after: Int)
    /// End with the process's status; the reason is nil where it needs none.
    case end(String?)
  }

  /// Starts beside the first.
  package let limit: Int
  /// Seconds of the longest pause.
  package let longestPause: Int
  /// Starts beside the first, so far.
  package private(set) var restarts = 0
  private var pause = 1
  /// The step after which the newest start began that has told of itself: the next one shows whether it has won any.
  private var startStep: Int?
  /// Starts that have won no step since one was won.
  private var vainStarts = 0
  /// As many in a row end it: one may have met a process that was about to go on, and the next one too.
  private static let mostVainStarts = 5

  package init(limit: Int, longestPause: Int) {
    self.limit = limit
    self.longestPause = longestPause
  }

  /// Whether a process that ends with this status might do better when it is started again.
  ///
  /// It was killed or has met a fault (128 and the signal's number), was stuck, or was told to stop; what is wrong
  /// with arguments, files or numbers would be so again.
  package static func mayPass(_ status: Int32) -> Bool {
    status > 128 || status == JobStatus.stalled.rawValue || status == JobStatus.stopped.rawValue
  }

  /// What to do after a process has ended.
  ///
  /// - Parameters:
  ///   - startStep: the step after which it went on; nil where it died before it told.
  ///   - seconds: how long it has lived. Pauses grow from death to death, and begin anew after five minutes.
  package mutating func decide(
    status: Int32, startStep: Int?, seconds: Double
  ) -> Decision {
    guard Self.mayPass(status) else { return .end(nil) }
    if let startStep {
      if let before = self.startStep { vainStarts = startStep > before ? 0 : vainStarts + 1 }
      self.startStep = startStep
    } else {
      vainStarts += 1
    }
    if vainStarts >= Self.mostVainStarts {
      return .end("no step was won in \(vainStarts) starts")
    }
    if restarts >= limit {
      return .end("it was started again \(limit) times, as --max-restarts says")
    }
    if seconds >= 300 { pause = 1 }
    restarts += 1
    let now = min(pause, longestPause)
    pause = min(2 * pause, longestPause)
    return .restart(after: now)
  }
}
