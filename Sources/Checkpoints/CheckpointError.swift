// The error of a checkpoint that cannot be used.

/// A checkpoint that is not one, or does not fit what it is wanted for.
package struct CheckpointError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file.
  package let path: String
  /// What should have been there.
  package let expected: String
  /// What was there.
  package let found: String
  /// What to do about it.
  package let hint: String

  /// An error from its parts.
  package init(path: String, expected: String, found: String, hint: String) {
    self.path = path
    self.expected = expected
    self.found = found
    self.hint = hint
  }

  /// One line: file, what was expected and found, and what to do.
  package var description: String { "\(path): expected \(expected), found \(found); \(hint)" }
}
