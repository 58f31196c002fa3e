// The check that all ranks were given the same things.

/// A thing, such as the configuration, and a digest of its content.
package struct NamedDigest: Sendable, Equatable {
  /// What was digested, as an error message calls it: "configuration", "data set listing".
  package let name: String

  /// The digest, of any length.
  package let digest: [UInt8]

  /// A digest with a name.
  package init(name: String, digest: [UInt8]) {
    self.name = name
    self.digest = digest
  }

  /// A text short enough to be compared as it is.
  package init(name: String, text: String) {
    self.init(name: name, digest: Array(text.utf8))
  }
}

/// Something that is not the same on all ranks though it must be.
package struct RankDisagreement: AgreedFailure {
  /// One thing that differs.
  package struct Difference: Sendable, Equatable {
    /// The name of the thing.
    package let name: String

    /// The ranks on which it is not as on rank 0, ascending.
    package let ranks: [Int]
  }

  /// All things that differ, in the order in which rank 0 named them.
  package let differences: [Difference]

  /// Rank 0, with which the others are compared.
  package var reportingRank: Int { 0 }

  /// One sentence for the user.
  package var description: String {
    let parts = differences.map { difference in
      "the \(difference.name) on \(rankList(difference.ranks)) is not the one on rank 0"
    }
    return parts.joined(separator: "; ")
      + ": start every rank with the same program, the same options and the same files"
  }
}

extension Communicator {
  /// Fails on every rank unless each of the named digests is the same on all.
  ///
  /// - Throws: ``RankDisagreement``, the same on all ranks; or ``MPIError``.
  package func verifyEqualOnAllRanks(_ digests: [NamedDigest]) throws {
    // Counts may differ where ranks run different programs, so nothing is assumed about them.
    let gathered = try allgatherv(encoded(digests)).map(decoded)
    var names: [String] = []
    for digest in gathered.joined() where !names.contains(digest.name) {
      names.append(digest.name)
    }
    let differences = names.compactMap { name in
      let ranks = gathered.indices.filter { rank in
        gathered[rank].filter { $0.name == name } != gathered[0].filter { $0.name == name }
      }
      return ranks.isEmpty ? nil : RankDisagreement.Difference(name: name, ranks: ranks)
    }
    if !differences.isEmpty { throw RankDisagreement(differences: differences) }
  }
}

// MARK: - Digests as bytes

/// Each name and each digest as its byte count (4 bytes, little-endian) and its bytes.
private func encoded(_ digests: [NamedDigest]) -> [UInt8] {
  digests.flatMap { digest in
    [Array(digest.name.utf8), digest.digest].flatMap { field in
      withUnsafeBytes(of: UInt32(field.count).littleEndian) { Array($0) } + field
    }
  }
}

private func decoded(_ bytes: [UInt8]) -> [NamedDigest] {
  var rest = bytes[...]
  func nextField() -> [UInt8] {
    let count = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
    rest = rest.dropFirst(4)
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }
  var digests: [NamedDigest] = []
  while !rest.isEmpty {
    let name = String(decoding: nextField(), as: UTF8.self)
    digests.append(NamedDigest(name: name, digest: nextField()))
  }
  return digests
}
