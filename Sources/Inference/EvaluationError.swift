// Why a data set cannot be scored with a network.

/// A data set that does not fit the network it is to be scored with.
package struct EvaluationError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What the network takes.
  package let expected: String
  /// What the data set has.
  package let found: String
  /// What to do about it.
  package let hint: String

  /// One sentence for the user.
  package var description: String {
    "the data set: expected \(expected), found \(found); \(hint)"
  }
}
