// The processes of a host that decode a set together.

/// Processes of a host that decode a set together and share what they have decoded.
///
/// All of them call the same methods in the same order. A process that leaves one out makes the others
/// wait for ever, so work that may fail goes into ``together(_:)``.
package protocol DecodingCrew: Sendable {
  /// This process's place among them, from 0; the one at 0 leads.
  var place: Int { get }

  /// How many there are.
  var count: Int { get }

  /// Does `body` in each; where it fails in one, it fails in all.
  func together<Value>(_ body: () throws -> Value) throws -> Value

  /// The leader's bytes, in each.
  func fromLeader(_ bytes: [UInt8]) throws -> [UInt8]

  /// Those of them that give the same digest of what they decode: only these can share it.
  func sharing(_ digest: [UInt8]) throws -> any DecodingCrew
}

/// A process that decodes alone.
package struct SoloCrew: DecodingCrew {
  package init() {}

  package var place: Int { 0 }
  package var count: Int { 1 }
  package func together<Value>(_ body: () throws -> Value) throws -> Value { try body() }
  package func fromLeader(_ bytes: [UInt8]) throws -> [UInt8] { bytes }
  package func sharing(_ digest: [UInt8]) throws -> any DecodingCrew { self }
}
