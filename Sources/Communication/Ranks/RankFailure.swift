// Work that may fail on one rank alone, and how every rank learns of it.

import Foundation

/// A failure which every rank knows of, so that all can leave in good order.
package protocol AgreedFailure: Error, CustomStringConvertible {
  /// The one rank that prints the message.
  var reportingRank: Int { get }
}

/// An error that may be one of the arguments, by which the exit status is told.
package protocol ArgumentFault: Error {
  /// Whether what the user asked for cannot be understood or used as it stands.
  var isUsage: Bool { get }
}

/// The failure of one or more ranks in work that all did together.
package struct RankFailure: AgreedFailure, ArgumentFault {
  /// The lowest rank that failed.
  package let rank: Int

  /// What it said.
  package let message: String

  /// The other ranks that failed, ascending.
  package let otherRanks: [Int]

  /// Whether every rank failed with this message, so that naming one would mislead.
  package let isSameEverywhere: Bool

  /// Whether the lowest rank that failed did so by its arguments.
  package let isUsage: Bool

  /// The error of this process, where it failed itself.
  package let cause: (any Error)?

  /// The lowest rank that failed.
  package var reportingRank: Int { rank }

  /// One sentence for the user.
  package var description: String {
    if isSameEverywhere { return message }
    let others = otherRanks.isEmpty ? "" : " (also failed: \(rankList(otherRanks)))"
    return "rank \(rank): \(message)\(others)"
  }
}

extension Communicator {
  /// What the first rank reads, on every rank; collective.
  ///
  /// - Throws: as ``together(_:)``, of which `read` is the work of the first rank.
  package func fromFirstRank(_ read: () throws -> [UInt8]) throws -> [UInt8] {
    let own = try together { rank == 0 ? try read() : [] }
    return try allgatherv(own)[0]
  }

  /// Does `body` on every rank, and fails on every rank if it failed on any.
  ///
  /// For work such as loading data or opening the output folder. Costs one exchange of 8 bytes.
  /// `body` must not call the communicator, because a rank whose body failed would not answer.
  ///
  /// - Returns: what this rank's body returned.
  /// - Throws: ``RankFailure``, the same on all ranks but for its `cause`; or ``MPIError``.
  package func together<Value>(_ body: () throws -> Value) throws -> Value {
    let outcome = Result { try body() }
    var cause: (any Error)?
    if case .failure(let error) = outcome { cause = error }

    let failures = try allReduceSum([cause == nil ? Int64(0) : 1])
    if failures == [0] { return try outcome.get() }

    // The first byte tells failure from success, because a message may be empty, and of which sort it is.
    let own: [UInt8] =
      cause.map { [isUsage($0) ? 2 : 1] + message(of: $0).utf8.prefix(longestMessage) } ?? []
    let messages: [(rank: Int, text: String, isUsage: Bool)] =
      try allgatherv(own).enumerated()
      .filter { !$0.element.isEmpty }
      .map {
        ($0.offset, String(decoding: $0.element.dropFirst(), as: UTF8.self), $0.element.first == 2)
      }
    guard let first = messages.first else { return try outcome.get() }
    throw RankFailure(
      rank: first.rank, message: first.text, otherRanks: messages.dropFirst().map { $0.rank },
      isSameEverywhere: messages.count == size && messages.allSatisfy { $0.text == first.text },
      isUsage: first.isUsage, cause: cause)
  }
}

/// Longer messages are cut: thousands of ranks may fail at once and all texts go everywhere.
private let longestMessage = 4096

/// The text of an error for the user.
package func message(of error: any Error) -> String {
  (error as? any LocalizedError)?.errorDescription ?? String(describing: error)
}

/// Whether an error is one of the arguments.
package func isUsage(_ error: any Error) -> Bool { (error as? any ArgumentFault)?.isUsage ?? false }

/// "rank 3", "ranks 1, 2 and 3", "ranks 1, 2, 3, 4, 5, 6, 7, 8 and 24 more".
package func rankList(_ ranks: [Int]) -> String {
  let shown = ranks.prefix(8).map(String.init)
  guard let last = shown.last, ranks.count > 1 else {
    return "rank \(shown.joined())"
  }
  if ranks.count > shown.count {
    return "ranks \(shown.joined(separator: ", ")) and \(ranks.count - shown.count) more"
  }
  return "ranks \(shown.dropLast().joined(separator: ", ")) and \(last)"
}
