// What the system tells of a process.

import Glibc

/// The state of a process, from `/proc`.
package struct ProcessState: Equatable, Sendable {
  /// R, S, D, T and so on, as `ps` shows it.
  package let letter: Character
  /// When it started, in ticks of the system: no later process of its number has the same.
  package let start: Int

  /// The state of the process with this number; nil where there is none.
  package init?(of process: Int) {
    let descriptor = open("/proc/\(process)/stat", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1024)
    let count = read(descriptor, &bytes, bytes.count)
    guard count > 0 else { return nil }
    // The name, which may hold anything, ends with the last parenthesis.
    let line = String(decoding: bytes.prefix(count), as: UTF8.self)
    guard let end = line.lastIndex(of: ")") else { return nil }
    let fields = line[line.index(after: end)...].split(separator: " ")
    guard fields.count > 19, let letter = fields[0].first, let start = Int(fields[19]) else {
      return nil
    }
    (self.letter, self.start) = (letter, start)
  }

  /// Whether a signal or a debugger has stopped it.
  package var isStopped: Bool { letter == "T" || letter == "t" }
  /// Whether it has ended, and its parent has not asked how.
  package var hasEnded: Bool { letter == "Z" || letter == "X" }

  /// What the state means where a process does not get on; nil where it says nothing.
  package var cause: String? {
    if isStopped { return "stopped by a signal" }
    if hasEnded { return "ended" }
    return letter == "D" ? "waiting for a disk or a network" : nil
  }
}
