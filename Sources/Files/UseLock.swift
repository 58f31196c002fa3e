// A mark on a file that some process is using it.

import Glibc

/// A lock that says that a file is in use, for those who would remove it; any number of processes may hold
/// one, and the system takes it back when they end.
package final class UseLock: Sendable {
  private let descriptor: CInt

  /// The mark, or nil where the file cannot be opened or its file system has no locks.
  package init?(_ path: String) {
    descriptor = Self.open(path)
    guard descriptor >= 0 else { return nil }
    guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else {
      _ = close(descriptor)
      return nil
    }
  }

  deinit { _ = close(descriptor) }

  /// Opens a file; no link, and no pipe whose other end would be waited for.
  private static func open(_ path: String) -> CInt {
    Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
  }

  /// Whether some process uses the file, or may: where there are no locks, nobody can tell.
  package static func isInUse(_ path: String) -> Bool {
    let descriptor = open(path)
    guard descriptor >= 0 else { return errno != ENOENT }
    defer { _ = close(descriptor) }
    return flock(descriptor, LOCK_EX | LOCK_NB) != 0
  }
}
