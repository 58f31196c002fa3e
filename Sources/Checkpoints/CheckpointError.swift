// The error of a checkpoint that cannot be used.

/// A checkpoint that is not one, or does not fit what it is wanted for.
public struct CheckpointError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file.
  public let path: String
  /// What should have been there.
  public let expected: String
  /// What was there.
  public let found: String
  /// What to do about it.
  public let hint: String

  /// One line: file, what was expected and found, and what to do.
  public var description: String { "\(path): expected \(expected), found \(found); \(hint)" }
}
