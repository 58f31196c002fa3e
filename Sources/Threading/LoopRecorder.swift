// How long the items of a team's loops take, for a model of more threads.

/// The loops of a team of one thread, as they ran.
///
/// One thread alone is measured, so that no item waits for memory or a core because of another one.
package final class LoopRecorder {
  /// A loop that ran.
  package struct Loop: Sendable {
    /// The part of the work that it belongs to.
    package let part: String
    /// Seconds between the end of the loop before it and its begin, which one thread works alone.
    package let secondsBefore: Double
    /// Seconds of each item, in order.
    package let itemSeconds: [Double]

    /// A loop.
    package init(part: String, secondsBefore: Double, itemSeconds: [Double]) {
      self.part = part
      self.secondsBefore = secondsBefore
      self.itemSeconds = itemSeconds
    }
  }

  /// The part of the work that loops belong to from now on.
  package var part = ""
  private var loops: [Loop] = []
  private let clock = ContinuousClock()
  private var lastEnd: ContinuousClock.Instant

  /// Begins to record.
  package init() { lastEnd = clock.now }

  /// The loops so far, with what has run since the last of them as one without items; begins anew.
  package func take() -> [Loop] {
    let now = clock.now
    defer {
      loops = []
      lastEnd = clock.now
    }
    return loops + [
      Loop(part: part, secondsBefore: (now - lastEnd) / .seconds(1), itemSeconds: [])
    ]
  }

  /// Runs and records the items of a loop.
  func run(_ count: Int, _ item: (Int) -> Void) {
    var seconds: [Double] = []
    seconds.reserveCapacity(count)
    let begin = clock.now
    var last = begin
    for index in 0..<count {
      item(index)
      let now = clock.now
      seconds.append((now - last) / .seconds(1))
      last = now
    }
    loops.append(
      Loop(part: part, secondsBefore: (begin - lastEnd) / .seconds(1), itemSeconds: seconds))
    lastEnd = clock.now
  }
}
