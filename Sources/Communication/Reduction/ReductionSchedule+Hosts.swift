// The direct form where several ranks share a host: between hosts goes what one rank each would send.

extension ReductionSchedule {
  /// Which ranks share a host.
  package struct Hosts: Sendable, Hashable {
    /// The ranks of each host, which are neighbours.
    let ranks: [Range<Int>]

    /// The hosts of ranks of which `leaders` has the first one on the host of each.
    ///
    /// - Returns: Nil where nothing is gained by them: with one host, with one rank on each, and where ranks of
    ///   a host are not neighbours, so that what they have in common is no part of the tree.
    package init?(leaders: [Int]) {
      var ranks: [Range<Int>] = []
      for (rank, leader) in leaders.enumerated() {
        if leader == rank {
          ranks.append(rank..<rank + 1)
        } else if let last = ranks.last, last.lowerBound == leader {
          ranks[ranks.count - 1] = leader..<rank + 1
        } else {
          return nil
        }
      }
      guard ranks.count > 1, ranks.count < leaders.count else { return nil }
      self.ranks = ranks
    }

    /// The host of a rank.
    func host(of rank: Int) -> Int { ranks.firstIndex { $0.contains(rank) } ?? 0 }
  }

  /// The direct form over hosts.
  ///
  /// Of every chunk a rank on each host, the *collector*, adds up what the host's ranks have of it, as far as the
  /// tree allows, and sends that to the chunk's owner, who is the collector on the own host. The sums go back the
  /// same way.
  ///
  /// With one partial sum a host, (1 + 1) n (h - 1) / h bytes go out of each of h hosts, however many ranks it
  /// has; without hosts it would be as many for each of its ranks.
  static func overHosts(
    _ hosts: Hosts, _ nodes: [[Range<Int>]], tree: ReductionTree, rank: Int,
    chunk: (_ rank: Int) -> Range<Int>
  ) -> (reduce: [Round], gather: [Round], workspaceCount: Int) {
    let home = hosts.host(of: rank)
    let locals = hosts.ranks[home]
    func collector(on host: Int, of chunk: Int) -> Int {
      let ranks = hosts.ranks[host]
      return ranks.contains(chunk) ? chunk : ranks.lowerBound + chunk % ranks.count
    }
    /// What the ranks of a host have together, before and after it is added up.
    func cover(of host: Int) -> (parts: [Range<Int>], whole: [Range<Int>]) {
      let parts = hosts.ranks[host].flatMap { nodes[$0] }
      guard let first = parts.first, let last = parts.last else { return ([], []) }
      return (parts, tree.cover(first.lowerBound..<last.upperBound))
    }

    var (inside, across) = (Round(), Round())
    var (back, spread) = (Round(keepsSent: true), Round(keepsSent: true))
    var workspaceCount = 0
    func received(_ count: Int) -> Block {
      defer { workspaceCount += count }
      return Block(memory: .workspace, range: workspaceCount..<workspaceCount + count)
    }

    for owner in nodes.indices where !chunk(owner).isEmpty {
      let elements = chunk(owner)
      let result = Block(memory: .own(0), range: elements)
      let here = collector(on: home, of: owner)
      guard here == rank else {
        for sum in nodes[rank].indices {
          inside.sends.append(
            Message(block: Block(memory: .own(sum), range: elements), peer: here))
        }
        spread.receives.append(Message(block: result, peer: here))
        continue
      }

      // The collector's part: all of its host's nodes, in the order of the tree.
      var stack: [Block] = []
      let start = cover(of: home).parts.first?.lowerBound ?? 0
      for source in locals {
        for (sum, node) in nodes[source].enumerated() {
          if source == rank {
            stack.append(Block(memory: .own(sum), range: elements))
          } else {
            stack.append(received(elements.count))
            inside.receives.append(Message(block: stack[stack.count - 1], peer: source))
          }
          for _ in 0..<tree.additions(after: node, from: start) {
            let right = stack.removeLast()
            let left = stack.removeLast()
            inside.additions.append(Addition(target: left, left: left, right: right))
            stack.append(left)
          }
        }
      }
      spread.sends += locals.filter { $0 != rank }.map { Message(block: result, peer: $0) }
      guard owner == rank else {
        across.sends += stack.map { Message(block: $0, peer: owner) }
        back.receives.append(Message(block: result, peer: owner))
        continue
      }

      // The owner's: the covers of all hosts.
      var values: [(node: Range<Int>, block: Block)] = []
      for host in hosts.ranks.indices {
        let whole = cover(of: host).whole
        if host == home {
          values += zip(whole, stack).map { ($0, $1) }
          continue
        }
        let peer = collector(on: host, of: rank)
        for node in whole {
          let block = received(elements.count)
          across.receives.append(Message(block: block, peer: peer))
          values.append((node, block))
        }
        back.sends.append(Message(block: result, peer: peer))
      }
      across.additions = additions(of: values, tree: tree, into: result)
    }
    return ([inside, across], [back, spread], workspaceCount)
  }
}
