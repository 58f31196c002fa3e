// How far a prediction is, on standard error.

import Files
import Foundation

/// The progress of a prediction: in a terminal one bar, elsewhere some lines, or none where things are
/// small.
final class PredictionProgress {
  private let subject: String
  private let total: Int
  private let pieces: String
  private let isShown: Bool
  private let hasLines: Bool
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let start = ProcessInfo.processInfo.systemUptime
  private var done = 0
  private var lastDrawn = -1.0
  private var hasBar = false

  /// - Parameters:
  ///   - subject: what is predicted.
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

  /// One piece more is done.
  func advance() {
    done += 1
    guard isShown, total > 0 else { return }
    let seconds = ProcessInfo.processInfo.systemUptime - start
    let left = seconds / Double(done) * Double(total - done)
    let text = "\(subject): \(done) of \(total) \(pieces), \(Self.clock(left)) left".printable
    if isTerminal {
      guard seconds - lastDrawn >= 0.1 || done == total else { return }
      lastDrawn = seconds
      draw(text)
    } else if hasLines, done * 10 / total > (done - 1) * 10 / total {
      printNote(text)
    }
  }

  /// Takes the bar away.
  func finish() {
    guard hasBar else { return }
    emit("\r\u{1B}[2K")
    hasBar = false
  }

  private func draw(_ text: String) {
    var window = winsize()
    let hasWidth = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &window) == 0 && window.ws_col > 0
    // The last column stays free: writing to it makes some terminals start a new line.
    let room = max(0, (hasWidth ? Int(window.ws_col) : 80) - 1)
    let width = min(40, room - text.count - 3)
    var line = text
    if width >= 5 {
      let filled = done * width / total
      line =
        "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
        + "] " + text
    }
    hasBar = true
    emit("\r\u{1B}[2K" + line.prefix(room))
  }

  private func emit(_ text: String) {
    FileHandle.standardError.write(Data(text.utf8))
  }

  /// Minutes and seconds.
  private static func clock(_ seconds: Double) -> String {
    let seconds = Int(min(max(0, seconds), 1e9).rounded())
    let rest = seconds % 60
    return "\(seconds / 60):" + (rest < 10 ? "0" : "") + "\(rest)"
  }
}
