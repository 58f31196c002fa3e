// Files that the system makes as they are read, as those in /proc and /sys.

import Glibc

/// Reading of files that have no size, and come in pieces.
package enum SystemFile {
  /// All bytes of the file at `path`; nil where it cannot be read.
  ///
  /// The system gives a page at a time, so that a piece that is shorter than was asked for is not the end, as
  /// readers of ordinary files take it to be.
  package static func contents(of path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &piece, piece.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { return nil }
      if count == 0 { return bytes }
      bytes += piece.prefix(count)
    }
  }

  /// The text of the file at `path`; nil where it cannot be read.
  ///
  /// Names in it may be no UTF-8, and are repaired.
  package static func text(of path: String) -> String? {
    contents(of: path).map { String(decoding: $0, as: UTF8.self) }
  }
}
