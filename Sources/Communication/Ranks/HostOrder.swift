// Ranks numbered so that those of one host are neighbours.

/// The numbers of ranks by host: those of the host of rank 0 first, on each host as they were launched.
///
/// Sums are made between neighbours first, so that they should have one memory.
package struct HostOrder: Sendable, Equatable {
  /// For each rank, by its number here, the first rank on its host.
  package let leaders: [Int]
  private let numbers: [Int]

  /// The order of ranks of which `leaders` has, as they were launched, the first one on the host of each.
  package init(leaders: [Int]) {
    let launched = leaders.indices.sorted { (leaders[$0], $0) < (leaders[$1], $1) }
    var numbers = leaders
    for (number, rank) in launched.enumerated() { numbers[rank] = number }
    self.numbers = numbers
    self.leaders = launched.map { numbers[leaders[$0]] }
  }

  /// Whether every rank keeps its number.
  package var isAsLaunched: Bool { numbers == Array(numbers.indices) }

  /// The number here of a rank as it was launched.
  package func rank(ofLaunched rank: Int) -> Int { numbers[rank] }
}
