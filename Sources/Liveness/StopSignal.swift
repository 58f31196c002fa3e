// Signals that ask a run to end in good order: from terminals, schedulers and launchers.

import CLiveness

/// A signal that asks for the end.
package enum StopSignal: Int32, CaseIterable, Sendable {
  case hangUp = 1
  case interrupt = 2
  case user1 = 10
  case user2 = 12
  case terminate = 15
  case processorTime = 24

  /// Its name without the prefix, as `kill` takes it.
  package var name: String {
    switch self {
    case .hangUp: "HUP"
    case .interrupt: "INT"
    case .user1: "USR1"
    case .user2: "USR2"
    case .terminate: "TERM"
    case .processorTime: "XCPU"
    }
  }

  /// Catches all of them from now on, but for those that the process was told to ignore.
  ///
  /// Until ``finishFirst()`` one ends the process with ``JobStatus/stopped``, since there is nothing to
  /// save.
  ///
  /// - Parameter speaks: whether a line then says so.
  package static func catchAll(speaks: Bool) {
    for signal in allCases {
      CLiveness_catch(signal.rawValue, JobStatus.stopped.rawValue, speaks)
    }
  }

  /// Lets one line tell of a fault in the program itself, in place of a trace with what is in its memory.
  package static func explainFaults() { CLiveness_explain_faults() }

  /// From now on a signal is kept until somebody asks for it; a second INT still ends the process.
  package static func finishFirst() { CLiveness_defer() }

  /// The first signal that came, or nil.
  package static var received: StopSignal? { StopSignal(rawValue: CLiveness_received()) }
}
