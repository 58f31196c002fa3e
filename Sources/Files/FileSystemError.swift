// The error of a call to the operating system about a file.

import Glibc

/// A file operation that the operating system refused.
///
/// Its description is one sentence with the path, what was tried, the system's own words and what
/// to do about it.
package struct FileSystemError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file or folder that the operation was about.
  package let path: String
  /// What was tried, as a verb phrase such as "write".
  package let operation: String
  /// The value of `errno`.
  package let code: CInt

  /// An error with the given `errno`.
  package init(path: String, operation: String, code: CInt) {
    self.path = path
    self.operation = operation
    self.code = code
  }

  /// The system's words for the code, such as "No space left on device".
  package var reason: String { String(cString: strerror(code)) }

  /// What a person can do about it, or nil where the reason says it all.
  package var hint: String? {
    switch code {
    case ENOSPC, EDQUOT: "free some space or choose another folder"
    case EACCES, EPERM: "check who owns the file and its folder, and their permissions"
    case EROFS: "choose a folder on a file system that can be written"
    case ENOENT: "check the spelling, and that the folder exists"
    case ENOTDIR: "a part of the path is a file, not a folder"
    case EISDIR: "the path names a folder, not a file"
    case EIO: "the disk or the network behind it may be failing"
    default: nil
    }
  }

  /// The whole message.
  package var description: String {
    "\(path): cannot \(operation): \(reason) (errno \(code))" + (hint.map { "; \($0)" } ?? "")
  }
}
