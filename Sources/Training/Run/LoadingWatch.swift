// Notices a run whose steps wait for their tiles.

import Glibc

/// Adds up how long steps wait for their tiles, and says once when that is too long.
package struct LoadingWatch {
  /// Steps that are looked at together.
  package static let window = 50
  /// The part of the time that steps may wait.
  package static let limit = 0.05

  private var steps = 0
  private var waited = 0.0
  private var total = 0.0
  private var threads = 0
  private var faults = 0
  private var isSaid = false

  package init() {}

  /// Adds a step of `seconds` in all, of which it has waited for tiles that so many threads prepare.
  ///
  /// - Parameter faults: the pages that this process has had read from a disk since it began.
  /// - Returns: one line for the user, once, after steps that have waited too long.
  package mutating func add(
    waited: Double, of seconds: Double, threads: Int, faults: Int = pagesRead
  ) -> String? {
    if steps == 0 || threads != self.threads {
      // A loader that has just taken another thread may have mended it.
      (steps, self.waited, total) = (0, 0, 0)
      (self.threads, self.faults) = (threads, faults)
    }
    steps += 1
    self.waited += waited
    total += seconds
    guard steps == Self.window else { return nil }
    steps = 0
    guard !isSaid, self.waited > Self.limit * total else { return nil }
    isSaid = true
    let percent = Int((100 * self.waited / total).rounded())
    let remedy =
      faults - self.faults >= Self.window
      ? "decoded images are read from a disk; give --cache a folder on a faster one, or take a host with "
        + "more memory"
      : "give each rank more --threads, or leave steps out of --augment, of which elastic takes longest"
    return
      "steps wait \(percent) % of their time for tiles, which \(threads) "
      + "\(threads == 1 ? "thread prepares" : "threads prepare"): \(remedy)"
  }

  /// The pages of memory that were read from a disk for this process.
  package static var pagesRead: Int {
    var usage = rusage()
    return getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 ? usage.ru_majflt : 0
  }
}
