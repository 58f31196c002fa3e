// The one error about a file: what is wrong with which, and what to do.

import Glibc

/// A file or folder that is not as it has to be, or that the operating system refused.
///
/// Its description is one line: the path, what was expected, what was found, and what to do about
/// it; control characters of names and contents are replaced.
package struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The sort of fault, for programs that decide by it; modules add their own.
  package struct Kind: Hashable, Sendable {
    private let name: String

    /// A kind of its own.
    package init(_ name: String) { self.name = name }

    /// The operating system refused; `code` says why.
    package static let system = Kind("system")
    /// The contents are not what this program reads or writes.
    package static let unsuitable = Kind("unsuitable")
    /// The file is larger than anything of its sort.
    package static let tooLarge = Kind("too large")
  }

  /// The sort of fault.
  package let kind: Kind
  /// The file, folder or option at fault, as the caller named it.
  package let path: String
  /// What would have been right, a phrase without a final full stop.
  package let expected: String
  /// What was there instead.
  package let found: String
  /// What to do about it, or nil where the rest says it all.
  package let hint: String?
  /// The value of `errno`, where the operating system refused.
  package let code: CInt?
  /// Whether something else was found than expected, rather than that something could not be done.
  private let isOfContents: Bool

  /// A fault of contents.
  package init(
    _ kind: Kind = .unsuitable, path: String, expected: String, found: String,
    hint: String? = nil
  ) {
    self.kind = kind
    self.path = path
    self.expected = expected
    self.found = found
    self.hint = hint
    code = nil
    isOfContents = true
  }

  /// A refusal of the operating system.
  ///
  /// - Parameters:
  ///   - operation: What was tried, as a verb phrase such as "write".
  ///   - code: The value of `errno`.
  package init(_ kind: Kind = .system, path: String, operation: String, code: CInt) {
    self.kind = kind
    self.path = path
    // The commonest of all: what was to be read is not there.
    let isMissing = code == ENOENT && ["open", "read"].contains(operation)
    expected = isMissing ? "a file" : operation
    found = isMissing ? "nothing" : "\(Self.reason(code)) (errno \(code))"
    hint = Self.hint(code)
    self.code = code
    isOfContents = isMissing
  }

  /// The whole message.
  package var description: String { fault + (hint.map { "; \($0)" } ?? "").printable }

  /// The message without what to do, for programs that have done it.
  package var fault: String {
    let fault =
      isOfContents ? "expected \(expected), found \(found)" : "cannot \(expected): \(found)"
    return "\(path): \(fault)".printable
  }

  /// The system's words for a code, such as "No space left on device".
  package static func reason(_ code: CInt) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    // The variant that fills the buffer: `strerror` is not safe on several threads.
    guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// What a person can do about a code, or nil where the reason says it all.
  private static func hint(_ code: CInt) -> String? {
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
}
