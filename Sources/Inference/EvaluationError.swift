// Why a data set cannot be scored with a network.

/// A data set that does not fit the network it is to be scored with.
public struct EvaluationError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What the network takes.
  public let expected: String
  /// What the data set has.
  public let found: String
  /// What to do about it.
  public let hint: String

  /// One sentence for the user.
  public var description: String {
    "the data set: expected \(expected), found \(found); \(hint)"
  }
}
