// What can be wrong with a safetensors file, in one message.

/// A safetensors file that could not be read or written.
///
/// Its description is one sentence: the path, what was expected, what was found, and what that
/// probably means.
package struct SafetensorsError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The sort of fault, for programs that decide by it.
  package enum Kind: Equatable, Sendable {
    /// The operating system refused; the code is its `errno`.
    case system(code: CInt)
    /// The file is not a well-formed safetensors file, or is cut short.
    case malformed
    /// The checksum does not match the contents.
    case altered
    /// A checksum was required and the file has none.
    case withoutChecksum
    /// There is no tensor of that name, or it has another type.
    case unsuitableTensor
    /// What was to be written does not fit the format.
    case unwritable
  }

  /// The sort of fault.
  package let kind: Kind
  /// The file.
  package let path: String
  /// The whole message after the path.
  package let message: String

  /// A fault of the contents.
  init(_ kind: Kind, path: String, expected: String, found: String, hint: String) {
    self.kind = kind
    self.path = path
    message = "expected \(expected), found \(found): \(hint)"
  }

  /// A fault that the operating system reported.
  init(_ error: FileSystemError) {
    kind = .system(code: error.code)
    path = error.path
    message = String(error.description.dropFirst(error.path.count + 2))
  }

  /// The path and the message.
  package var description: String { "\(path): \(message)" }
}
