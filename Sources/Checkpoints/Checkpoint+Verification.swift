// How the contents of a checkpoint were verified before they were written.

extension Checkpoint {
  /// What is known of the memory that a checkpoint was written from, beside that all of it was finite.
  package struct Verification: Codable, Equatable, Sendable {
    /// Ranks whose weights were compared bit by bit; 1 where there was nothing to compare.
    package var comparedRanks: Int
    /// Whether the optimiser's state was compared, too; not where each rank has a shard of it.
    package var comparesState: Bool
    /// Whether digests have shown that nothing but updates has changed weights and state of any rank.
    package var isGuarded: Bool

    package init(comparedRanks: Int, comparesState: Bool, isGuarded: Bool) {
      self.comparedRanks = comparedRanks
      self.comparesState = comparesState
      self.isGuarded = isGuarded
    }

    /// Where the metadata of a file has it.
    package static let key = "verified"

    private enum CodingKeys: String, CodingKey {
      case comparedRanks = "compared_ranks"
      case comparesState = "compares_state"
      case isGuarded = "is_guarded"
    }
  }
}

extension Checkpoint.Verification: CustomStringConvertible {
  /// A phrase for people.
  package var description: String {
    let ranks = "over \(comparedRanks) ranks"
    var parts: [String] = []
    if comparedRanks > 1 {
      parts.append("compared \(ranks): weights\(comparesState ? " and optimiser state" : "")")
    }
    if isGuarded { parts.append("guarded by digests between updates: weights and optimiser state") }
    return parts.isEmpty ? "finite, and no more" : parts.joined(separator: "; ")
  }
}
