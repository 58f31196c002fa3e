// The display of a run in the terminal: messages, and steps as lines or as a bar.

package import Files
import Foundation
package import Logging
import Metrics
import Synchronization

/// The one writer to standard error, so that messages and the progress bar do not overwrite
/// each other.
///
/// In a terminal window the steps are one bar, redrawn at most ten times a second; elsewhere some are a line
/// each: the first, the last, and in between one every ten seconds, or every so many steps. It shows, never
/// fails and never waits: a terminal that is closed, or that nobody reads, must not end a run of days or
/// hold it up.
package final class RunDisplay: Sendable {
  private struct State {
    var bar: String?
    var lastDrawn: Double?
    var start: (step: Int, time: Double)?
    /// When a line of a step was written where there is no window.
    var lastLine: Double?
    var loss = MovingMean()
    /// The newest mean IoU of the validation images.
    var score: Double?
    /// The tables of the best evaluation and the newest one, which are kept for the end where there is no window.
    var tables: (best: String?, newest: String?)
  }

  private static let secondsBetweenDrawings = 0.1
  private static let secondsBetweenLines = 10.0

  private let stream: WatchedStream
  private let isTerminal: Bool
  private let colours: TerminalColours
  private let state = Mutex(State())
  /// Steps from line to line where there is no window; 0 for one every ten seconds.
  private let logEvery: Int

  /// A display on `descriptor`, standard error unless told otherwise.
  package convenience init(descriptor: Int32 = STDERR_FILENO, logEvery: Int = 0) {
    self.init(
      descriptor: descriptor, isTerminal: isatty(descriptor) == 1, logEvery: logEvery,
      colours: TerminalColours(descriptor: descriptor))
  }

  package init(
    descriptor: Int32, isTerminal: Bool, logEvery: Int = 0, colours: TerminalColours = .none
  ) {
    self.colours = colours
    self.logEvery = logEvery
    stream = descriptor == STDERR_FILENO ? .standardError : WatchedStream(descriptor: descriptor)
    self.isTerminal = isTerminal
  }

  /// Shows a step.
  package func show(_ record: StepRecord, totalSteps: Int) {
    show(record, totalSteps: totalSteps, at: ProcessInfo.processInfo.systemUptime)
  }

  /// Shows a step at `time`, in seconds of any clock.
  package func show(_ record: StepRecord, totalSteps: Int, at time: Double) {
    state.withLock { state in
      let start = state.start ?? (record.step, time)
      state.start = start
      let done = record.step - start.step
      let secondsLeft =
        done > 0
        ? (time - start.time) / Double(done) * Double(totalSteps - record.step) : nil
      state.loss.add(record.loss)
      let line = ProgressLine(
        record: record, totalSteps: totalSteps, loss: state.loss.mean, score: state.score,
        secondsLeft: secondsLeft)
      guard isTerminal else {
        let isDue =
          logEvery > 0
          ? record.step % logEvery == 0
          : state.lastLine.map { time - $0 >= Self.secondsBetweenLines } ?? true
        guard isDue || done == 0 || record.step >= totalSteps else { return }
        state.lastLine = time
        return emit(line.plain + "\n")
      }
      let bar = colours.bar(line.bar(width: ProgressBar.windowWidth(of: stream.descriptor)))
      state.bar = bar
      let isDue = state.lastDrawn.map { time - $0 >= Self.secondsBetweenDrawings } ?? true
      guard isDue || record.step >= totalSteps else { return }
      state.lastDrawn = time
      emit(ProgressBar.cleared + bar)
    }
  }

  /// Shows in a window how much of some work other than steps is done, until all is; elsewhere nothing.
  package func show(_ done: Double, of total: Int, _ work: String) {
    guard isTerminal else { return }
    state.withLock { state in
      let time = ProcessInfo.processInfo.systemUptime
      let isDue = state.lastDrawn.map { time - $0 >= Self.secondsBetweenDrawings } ?? true
      let isDone = done >= Double(total)
      guard isDue || isDone else { return }
      state.lastDrawn = time
      let bar = colours.bar(
        ProgressBar.line(
          done, of: total, text: "\(Int(done)) of \(total) \(work)",
          width: ProgressBar.windowWidth(of: stream.descriptor)))
      state.bar = isDone ? nil : bar
      emit(ProgressBar.cleared + (isDone ? "" : bar))
    }
  }

  /// Writes a message of one or more lines, above the bar if there is one.
  ///
  /// What it quotes from files, such as names of classes, cannot move the cursor.
  package func write(_ message: String) {
    let message = colours.message(message.printableLines)
    state.withLock { state in
      guard let bar = state.bar else { return emit(message + "\n") }
      emit(ProgressBar.cleared + message + "\n" + bar)
    }
  }

  /// Writes a warning, above the bar if there is one.
  package func warn(_ message: String) { write("warning: " + message) }

  /// Takes the bar away, at the end of a run or before an error.
  package func finish() {
    state.withLock { state in
      if state.bar != nil { emit(ProgressBar.cleared) }
      state.bar = nil
    }
  }

  private func emit(_ text: String) { stream.write(text) }
}

// MARK: - Records

extension RunDisplay: RecordSink {
  /// Shows a record; of the start the messages before it have told.
  package func take(_ record: RunRecord) {
    switch record {
    case .start, .view: break
    case .step(let step, of: let totalSteps): show(step, totalSteps: totalSteps)
    case .evaluation(let evaluation):
      let score = evaluation.scores.meanIntersectionOverUnion
      let title = "evaluation after step \(evaluation.step)"
      let best = evaluation.isBest ? " (the best so far)" : ""
      let table =
        evaluation.scores.table(names: evaluation.classNames) + evaluation.thresholdText
      let isTold = state.withLock { state in
        state.score = score
        guard !isTerminal else { return true }
        state.tables.newest = "\(title)\n\(table)"
        if evaluation.isBest { state.tables.best = "\(title), the best\n\(table)" }
        return false
      }
      // A log of a long run has a line of each, and one table at its end.
      write(isTold ? "\(title)\(best)\n\(table)" : "\(title): mean IoU \(score.decimals(4))\(best)")
    case .healed(let replica): warn(replica.description)
    case .stop(let stop):
      finish()
      write(
        "stopped by \(stop.signal) after step \(stop.step), which is saved as \(stop.checkpointPath);"
          + " --resume goes on")
    case .end(let end):
      finish()
      if let table = state.withLock({ $0.tables.best ?? $0.tables.newest }) { write(table) }
      var text = "\(end.steps) steps done; the newest checkpoint is \(end.latestPath)"
      if let best = end.best { text += "\nthe best, of step \(best.step), is \(best.path)" }
      write(text)
    }
  }
}

// MARK: - Messages

/// Sends the messages of a logger to a display.
package struct RunDisplayLogHandler: LogHandler {
  /// The least severe messages that are shown.
  package var logLevel: Logger.Level
  /// What is shown behind every message.
  package var metadata: Logger.Metadata = [:]
  private let display: RunDisplay

  /// A handler that writes to `display`.
  package init(display: RunDisplay, logLevel: Logger.Level = .info) {
    self.display = display
    self.logLevel = logLevel
  }

  /// One value of the metadata.
  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// Writes "level: message" and the metadata; the level is left out where it is `info`.
  package func log(event: LogEvent) {
    let values = metadata.merging(event.metadata ?? [:]) { $1 }
      .sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
    let level = event.level == .info ? "" : "\(event.level.rawValue): "
    display.write(level + event.message.description + values)
  }
}
