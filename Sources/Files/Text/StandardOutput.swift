// Standard output for results, and standard error for what people watch.

import Glibc
import Synchronization

/// Writes results to standard output, all of them.
///
/// A reader that has seen enough and has gone, such as `head`, is no error.
///
/// - Throws: `FileError` where the results cannot be kept, as on a full disk.
package func printText(_ text: String) throws(FileError) {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    if count < 0 && errno == EINTR { continue }
    if count < 0 && errno == EPIPE { return }
    if count < 0 && errno == EAGAIN {
      // Another program has made it a stream that does not wait.
      var stream = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
      poll(&stream, 1, -1)
      continue
    }
    guard count > 0 else {
      throw FileError(path: "standard output", operation: "write", code: count < 0 ? errno : EIO)
    }
    bytes = bytes.dropFirst(count)
  }
}

/// Writes a remark to standard error, as one line.
package func printNote(_ text: String) {
  WatchedStream.standardError.write(text.printable + "\n")
}

/// Writes a warning to standard error, as one line.
package func printWarning(_ text: String) {
  let message = ("warning: " + text).printable
  WatchedStream.standardError.write(
    TerminalColours(descriptor: STDERR_FILENO).message(message) + "\n")
}

/// A stream that people watch: writing to it never fails, and never waits for a reader who does not read.
///
/// What cannot be written at once is kept for the next time, up to a limit; beyond it a line says that some
/// is missing.
package final class WatchedStream: Sendable {
  /// Standard error.
  package static let standardError = WatchedStream(descriptor: STDERR_FILENO)

  /// Bytes that are kept at most.
  package static let limit = 1 << 16
  /// As much as a pipe takes at once when it says that it takes something.
  private static let pieceByteCount = 4096
  private static let missing = Array("(some lines are missing: nobody has read them)\n".utf8)

  private struct State {
    var kept: [UInt8] = []
    var isMissingLines = false
  }

  /// Where it is written to.
  package let descriptor: CInt
  private let state = Mutex(State())

  package init(descriptor: CInt) { self.descriptor = descriptor }

  /// Writes `text` as soon as it is taken.
  package func write(_ text: String) {
    state.withLock { state in
      let isFull = state.kept.count + text.utf8.count > Self.limit
      if isFull {
        state.isMissingLines = true
      } else {
        state.kept += text.utf8
      }
      push(&state)
    }
  }

  /// Waits until all is written, for so many seconds at most.
  package func flush(within seconds: Double = 1) {
    let end = ContinuousClock.now + .seconds(seconds)
    while true {
      let isEmpty = state.withLock { state in
        push(&state)
        return state.kept.isEmpty
      }
      if isEmpty || ContinuousClock.now >= end { return }
      usleep(10_000)
    }
  }

  /// Writes what is taken without waiting.
  private func push(_ state: inout State) {
    while !state.kept.isEmpty {
      var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      guard poll(&ready, 1, 0) == 1 else { return }
      let count = state.kept.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress, min($0.count, Self.pieceByteCount))
      }
      if count < 0 && errno == EINTR { continue }
      if count < 0 && errno == EAGAIN { return }
      guard count > 0 else {
        // A terminal that is gone or a disk that is full: nobody can be told.
        state.kept = []
        return
      }
      state.kept.removeFirst(count)
      if state.kept.isEmpty && state.isMissingLines {
        state.kept = Self.missing
        state.isMissingLines = false
      }
    }
  }
}

/// What the three standard streams must be before anything is opened or written.
package enum StandardStreams {
  /// Gives those that are closed a place of their own, so that no file of the program gets their numbers
  /// and what is meant for people; and lets refused writes be errors instead of signals that end the process.
  package static func prepare() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free number is this one. For reading only, so that results are not lost in silence.
      _ = open("/dev/null", O_RDONLY)
    }
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }
}
