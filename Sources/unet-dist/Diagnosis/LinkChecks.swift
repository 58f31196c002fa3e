// Checks of what lies between hosts: their clocks, and the rates of their pairs.

import Files

/// What was measured between hosts, judged.
package enum LinkChecks {
  /// Seconds between clocks above which times in logs, locks and credentials do not fit each other.
  private static let largestOffset = 1.0
  /// A pair with less than this part of the fastest one's rate is told of.
  private static let slowestShare = 0.5
  /// Bytes a second below which two hosts have a slow network.
  private static let slowRate = 50e6

  /// The clocks of `hosts` beside that of the first one, the furthest first.
  package static func clocks(_ clocks: [HostLinks.Clock], hosts: [String]) -> [Finding] {
    zip(clocks, hosts.dropFirst()).sorted { abs($0.0.offset) > abs($1.0.offset) }
      .map { clock, host in
        let seconds = abs(clock.offset)
        return Finding(
          "clock",
          "\(host): \(text(seconds)) \(clock.offset < 0 ? "behind" : "ahead of") \(hosts[0]), "
            + "give or take \(text(clock.uncertainty))",
          advice: seconds - clock.uncertainty > largestOffset
            ? "set the clocks by one time server (chrony): times in logs and locks of folders do not fit each other"
            : nil)
      }
  }

  /// The rates of pairs of `hosts`, in bytes of gradients a second, the slowest first.
  package static func pairs(_ rates: [HostLinks.Pair: Double], hosts: [String]) -> [Finding] {
    let fastest = rates.values.max() ?? 0
    return rates.sorted {
      ($0.value, $0.key.first, $0.key.second) < ($1.value, $1.key.first, $1.key.second)
    }
    .map { pair, rate in
      let advice: String? =
        if rate < slowestShare * fastest {
          "the fastest pair has \(Int(fastest).megabytes)/s: look at the links and switches of these two; all wait for it"
        } else if rate < slowRate {
          RateChecks.slowNetwork
        } else { nil }
      return Finding(
        "pair of hosts",
        "\(hosts[pair.first]) - \(hosts[pair.second]): \(Int(rate).megabytes)/s of gradients summed",
        advice: advice)
    }
  }

  private static func text(_ seconds: Double) -> String {
    seconds < 1 ? (1000 * seconds).decimals(3) + " ms" : seconds.decimals(3) + " s"
  }
}
