// How a thread waits for messages without eating the core of one that computes.

import Glibc

/// The pauses of a thread that looks again and again for something that has not come.
///
/// MPI libraries look without pause, which costs a core. Here the first looks follow each other,
/// because most messages are near; then the core is offered to others; then the thread sleeps for
/// times that are short beside the transfer of a bucket.
package struct Backoff {
  private static let looks = 20
  private static let yields = 100
  private static let shortSleep: UInt32 = 50
  private static let longSleep: UInt32 = 200

  private var idle = 0

  /// The pauses of a wait that begins.
  package init() {}

  /// Starts anew, after something has come.
  package mutating func reset() { idle = 0 }

  /// Pauses for as long as the waiting so far suggests.
  package mutating func pause() {
    idle += 1
    switch idle {
    case ...Self.looks: break
    case ...(Self.looks + Self.yields): sched_yield()
    case ...(Self.looks + 2 * Self.yields): usleep(Self.shortSleep)
    default: usleep(Self.longSleep)
    }
  }
}
