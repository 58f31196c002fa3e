// The timeline of all ranks, as a trace that chrome://tracing and ui.perfetto.dev show.

package import Communication
import Files
import Foundation

/// The computation and the communication of a rank's first steps, for one file of all ranks.
///
/// The format is Chrome's Trace Event Format: complete events, one process for each rank, one thread
/// for the computation and as many as buckets were under way side by side. Times count from a
/// barrier at the start, so that ranks on hosts with different clocks agree up to the time that
/// barrier took.
package final class Timeline {
  /// Steps that are recorded; a trace of more is too large to look at.
  package static let stepLimit = 100

  /// A stretch of time.
  private struct Event {
    let name: String
    /// 0 is the computation, others are buckets under way.
    let lane: Int
    let start: ContinuousClock.Instant
    let end: ContinuousClock.Instant
    let step: Int
  }

  private let communicator: any Communicator
  private let origin: ContinuousClock.Instant
  private var events: [Event] = []
  private var step = 0
  private var steps = 0

  /// A timeline that begins now; collective.
  package init(communicator: any Communicator) throws {
    self.communicator = communicator
    try communicator.barrier()
    origin = ContinuousClock.now
  }

  /// Whether steps are still recorded.
  private var isRecording: Bool { steps <= Self.stepLimit }

  /// Begins the step which ends as number `step`.
  package func begin(step: Int) {
    self.step = step
    steps += 1
  }

  /// Records computation, or a wait of the thread that computes.
  package func add(
    _ name: String, from start: ContinuousClock.Instant, to end: ContinuousClock.Instant
  ) {
    guard isRecording else { return }
    events.append(Event(name: name, lane: 0, start: start, end: end, step: step))
  }

  /// Records buckets under way, in the order in which they began.
  package func add(_ name: String, _ times: [BucketTimes]) {
    guard isRecording else { return }
    var ends: [ContinuousClock.Instant] = []
    for (bucket, times) in times.enumerated() {
      let lane = ends.firstIndex { $0 <= times.start } ?? ends.count
      if lane == ends.count { ends.append(times.end) } else { ends[lane] = times.end }
      events.append(
        Event(
          name: "\(name) bucket \(bucket)", lane: lane + 1, start: times.start, end: times.end,
          step: step))
    }
  }

  /// Writes the events of all ranks to `path`, from rank 0; collective.
  package func write(to path: String) throws {
    let own = ownEvents.map { $0.json }.joined(separator: ",\n")
    let parts = try communicator.gatherv(Array(own.utf8), to: 0)
    try communicator.together {
      guard communicator.rank == 0 else { return }
      try DurableFile.write(
        "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n"
          + parts.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ",\n") + "\n]}\n",
        to: path)
    }
  }

  /// Makes sure that a file can be written to `path`, before there is anything to write.
  package static func prepare(_ path: String) throws {
    try DurableFile.write("{\"displayTimeUnit\": \"ms\", \"traceEvents\": []}\n", to: path)
  }

  private var ownEvents: [JSONValue] {
    let rank = JSONValue.integer(communicator.rank)
    func name(_ what: String, _ lane: Int, _ name: String) -> JSONValue {
      [
        "name": .text(what), "ph": "M", "pid": rank, "tid": .integer(lane),
        "args": ["name": .text(name)],
      ]
    }
    let lanes = events.map(\.lane).max() ?? 0
    let names =
      [
        name("process_name", 0, "rank \(communicator.rank) on \(communicator.hostName)"),
        name("thread_name", 0, "computation"),
      ] + (1..<max(1, lanes + 1)).map { name("thread_name", $0, "communication \($0)") }
    return names
      + events.map { event in
        [
          "name": .text(event.name), "ph": "X",
          "cat": event.lane == 0 ? "computation" : "communication", "pid": rank,
          "tid": .integer(event.lane), "ts": .number(microseconds(event.start - origin)),
          "dur": .number(microseconds(event.end - event.start)),
          "args": ["step": .integer(event.step)],
        ]
      }
  }

  private func microseconds(_ duration: Duration) -> Double { duration / .microseconds(1) }
}
