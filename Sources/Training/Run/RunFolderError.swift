// The error of a run folder or one of its files.

import Foundation

/// A run folder, or a file in it, that cannot be used.
package struct RunFolderError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The path that is meant.
  package let path: String
  /// What went wrong, with the system's words where it was the system.
  package let problem: String
  /// What to do about it.
  package let hint: String?

  /// An error from its parts.
  package init(path: String, problem: String, hint: String? = nil) {
    self.path = path
    self.problem = problem
    self.hint = hint
  }

  /// The error that `errno` says after `action` on `path` failed.
  static func system(_ action: String, _ path: String) -> RunFolderError {
    let code = errno
    let hint =
      switch code {
      case ENOSPC, EDQUOT: "make room, or choose another --output"
      case EACCES, EPERM, EROFS: "choose another --output, or change its permissions"
      case ENOTDIR, EEXIST, EISDIR: "choose another --output"
      default: nil as String?
      }
    return RunFolderError(
      path: path, problem: "cannot \(action): \(String(cString: strerror(code)))", hint: hint)
  }

  /// One line: path, what went wrong, what to do.
  package var description: String { "\(path): \(problem)" + (hint.map { "; \($0)" } ?? "") }
}
