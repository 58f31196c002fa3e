// How the program ends, as launchers, schedulers and scripts see it.

/// The statuses that a process ends with; the table in docs/commands.md says the same.
package enum JobStatus: Int32, Sendable {
  /// All was done.
  case success = 0
  /// Something failed; one line on standard error says what.
  case failure = 1
  /// The arguments cannot be understood.
  case usage = 64
  /// The job has made no progress for too long; trying again may help.
  case stalled = 75
  /// A signal has asked for the end; what was done is saved, and --resume goes on.
  case stopped = 85
}
