// How far some work is, on standard error.

import Files
import Foundation

/// The progress of some work: in a terminal one bar, elsewhere some lines, or none where things are small.
final class WorkProgress {
  private let subject: String
  private let total: Int
  private let pieces: String
  private let isShown: Bool
  private let hasLines: Bool
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let start = ProcessInfo.processInfo.systemUptime
  private var done = 0.0
  private var lastDrawn = -1.0
  private var hasBar = false

  /// - Parameters:
  ///   - subject: what is worked on.
  ///   - total: the pieces of work, and `pieces` what they are called.
  ///   - isShown: whether this rank shows it.
  ///   - hasLines: whether a line tells of each tenth where there is no terminal.
  init(_ subject: String, total: Int, pieces: String, isShown: Bool, hasLines: Bool) {
    self.subject = subject
    self.total = total
    self.pieces = pieces
    self.isShown = isShown
    self.hasLines = hasLines
  }

  deinit { finish() }

  /// One piece more is done, or so many are, the last of them in part.
  func advance(to done: Double? = nil) {
    let before = self.done
    self.done = done ?? before + 1
    show(after: before)
  }

  private func show(after before: Double) {
    guard isShown, total > 0, done > 0 else { return }
    let seconds = ProcessInfo.processInfo.systemUptime - start
    let left = seconds / done * (Double(total) - done)
    let text = "\(subject): \(Int(done)) of \(total) \(pieces), \(Self.clock(left)) left".printable
    if isTerminal {
      guard seconds - lastDrawn >= 0.1 || done == Double(total) else { return }
      lastDrawn = seconds
      draw(text)
    } else if hasLines, Int(done * 10 / Double(total)) > Int(before * 10 / Double(total)) {
      printNote(text)
    }
  }

  /// Takes the bar away.
  func finish() {
    guard hasBar else { return }
    emit(ProgressBar.cleared)
    hasBar = false
  }

  private func draw(_ text: String) {
    hasBar = true
    let width = ProgressBar.windowWidth(of: STDERR_FILENO)
    let line = ProgressBar.line(done, of: total, text: text, width: width)
    emit(ProgressBar.cleared + TerminalColours(descriptor: STDERR_FILENO).bar(line))
  }

  private func emit(_ text: String) {
    WatchedStream.standardError.write(text)
  }

  /// Minutes and seconds.
  private static func clock(_ seconds: Double) -> String {
    let seconds = Int(min(max(0, seconds), 1e9).rounded())
    let rest = seconds % 60
    return "\(seconds / 60):" + (rest < 10 ? "0" : "") + "\(rest)"
  }
}

/// The progress of the first rank's share of some work, whose pieces are known when the first is done.
final class FirstRankProgress {
  private let subject: String
  private let isFirst: Bool
  private var progress: WorkProgress?

  /// - Parameters:
  ///   - subject: what is worked on.
  ///   - isFirst: whether this is the first rank; others show nothing.
  init(_ subject: String, isFirst: Bool) {
    self.subject = subject
    self.isFirst = isFirst
  }

  /// So many of so many pieces are done.
  func advance(to done: Double, of total: Int, _ pieces: String) {
    guard isFirst else { return }
    let progress =
      progress
      ?? WorkProgress(subject, total: total, pieces: pieces, isShown: true, hasLines: false)
    self.progress = progress
    progress.advance(to: done)
  }

  /// What tells of pieces of this name.
  func show(of pieces: String) -> (_ done: Int, _ of: Int) -> Void {
    { self.advance(to: Double($0), of: $1, pieces) }
  }

  /// Takes the bar away.
  func finish() { progress?.finish() }
}
