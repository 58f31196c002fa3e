// What a check has found, of one rank and of all.

package import Files

/// What a check has found on a rank.
package struct Finding: Codable, Equatable, Sendable {
  /// How it is.
  package enum Status: String, Codable, Sendable, CaseIterable {
    case ok
    case warning
    case error
  }

  /// What was looked at.
  package let name: String
  package let status: Status
  /// What was found there.
  package let found: String
  /// What to do; nil where nothing is to be done.
  package let advice: String?

  /// A finding of which there is nothing to say where there is no advice.
  package init(_ name: String, _ found: String, _ status: Status = .warning, advice: String? = nil)
  {
    (self.name, self.found, self.advice) = (name, found, advice)
    self.status = advice == nil ? .ok : status
  }
}

/// The findings of all ranks.
package struct Diagnosis: Sendable {
  /// The findings of a rank.
  package struct Rank: Codable, Equatable, Sendable {
    package let rank: Int
    package let host: String
    package let findings: [Finding]

    package init(rank: Int, host: String, findings: [Finding]) {
      (self.rank, self.host, self.findings) = (rank, host, findings)
    }
  }

  /// The most lines about what is well that one rank's findings of one name get.
  private static let longestList = 12

  private let ranks: [Rank]

  /// What the ranks have found, in their order.
  package init(_ ranks: [Rank]) { self.ranks = ranks }

  /// The worst status of all.
  package var status: Finding.Status {
    let all = Set(ranks.flatMap { $0.findings.map(\.status) })
    return Finding.Status.allCases.last { all.contains($0) } ?? .ok
  }

  /// A line for each finding, once for the ranks that share it, and below it what to do.
  package var text: String {
    var names: [String] = []
    for finding in ranks.flatMap(\.findings) where !names.contains(finding.name) {
      names.append(finding.name)
    }
    let width = names.map(\.count).max() ?? 0
    var lines: [String] = []
    for name in names {
      var groups: [(finding: Finding, ranks: [Int])] = []
      for rank in ranks {
        for finding in rank.findings where finding.name == name {
          if let place = groups.firstIndex(where: { $0.finding == finding }) {
            groups[place].ranks.append(rank.rank)
          } else {
            groups.append((finding, [rank.rank]))
          }
        }
      }
      // What one rank says is said for all of them.
      let isOfOne = Set(groups.flatMap(\.ranks)).count == 1
      // Of many that are well the first ones stand for the others.
      let well = groups.indices.filter { groups[$0].finding.advice == nil }
      let left = isOfOne ? Set(well.dropFirst(Self.longestList)) : []
      for (place, (finding, those)) in groups.enumerated() where !left.contains(place) {
        let who =
          groups.count == 1 || isOfOne
          ? "" : (those.count == 1 ? "rank " : "ranks ") + spans(of: those) + ": "
        let status = Self.padded(finding.status.rawValue, to: 8)
        lines.append("\(status) \(Self.padded(name, to: width))  \(who)\(finding.found)".printable)
        if let advice = finding.advice {
          lines.append((String(repeating: " ", count: 9 + width + 2) + advice).printable)
        }
      }
      if !left.isEmpty {
        let status = Self.padded(Finding.Status.ok.rawValue, to: 8)
        lines.append(
          "\(status) \(Self.padded(name, to: width))  and \(left.count) more; all with --json")
      }
    }
    return lines.map { $0 + "\n" }.joined()
  }

  /// One JSON object.
  package var json: JSONValue {
    [
      "status": .text(status.rawValue),
      "ranks": .list(
        ranks.map { rank in
          [
            "rank": .integer(rank.rank), "host": .text(rank.host),
            "findings": .list(
              rank.findings.map { finding in
                [
                  "name": .text(finding.name), "status": .text(finding.status.rawValue),
                  "found": .text(finding.found),
                  "advice": finding.advice.map { .text($0) } ?? .null,
                ]
              }),
          ]
        }),
    ]
  }

  private static func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}

/// Numbers with neighbours joined: 0-3, 5.
func spans(of numbers: [Int]) -> String {
  var spans: [ClosedRange<Int>] = []
  for number in numbers.sorted() {
    if let last = spans.last, last.upperBound + 1 == number {
      spans[spans.count - 1] = last.lowerBound...number
    } else {
      spans.append(number...number)
    }
  }
  return spans.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
    .joined(separator: ", ")
}
