// The ranks of a host as those who decode a set together.

package import Communication
package import Datasets

/// Ranks of a host, which decode a set together; their operations are collective over all ranks.
package struct HostCrew: DecodingCrew {
  private let communicator: any Communicator
  /// Their ranks among all, ascending.
  private let members: [Int]

  /// This rank alone, until it is known with whom it can share.
  package init(_ communicator: any Communicator) {
    self.init(communicator, members: [communicator.rank])
  }

  private init(_ communicator: any Communicator, members: [Int]) {
    self.communicator = communicator
    self.members = members
  }

  package var place: Int { members.firstIndex(of: communicator.rank) ?? 0 }
  package var count: Int { members.count }

  package func together<Value>(_ body: () throws -> Value) throws -> Value {
    try communicator.together(body)
  }

  package func fromLeader(_ bytes: [UInt8]) throws -> [UInt8] {
    try communicator.allgatherv(place == 0 ? bytes : [])[members[0]]
  }

  /// The ranks of this host that give the same digest; they may see the set in folders of their own.
  package func sharing(_ digest: [UInt8]) throws -> any DecodingCrew {
    let host = withUnsafeBytes(of: Int64(communicator.localLeader)) { Array($0) }
    let all = try communicator.allgatherv(host + digest)
    return HostCrew(
      communicator, members: all.indices.filter { all[$0] == all[communicator.rank] })
  }
}
