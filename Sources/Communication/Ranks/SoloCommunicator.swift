// One process on its own.

import Glibc

/// The group of one rank, which needs no MPI and never initialises it.
///
/// Every collective operation is the identity.
package final class SoloCommunicator: Communicator {
  /// Always 0.
  package let rank = 0
  /// Always 1.
  package let size = 1
  /// Always 0.
  package let localRank = 0
  /// Always 1.
  package let localSize = 1
  /// Always 0.
  package let localLeader = 0
  package let hostLeaders = [0]
  /// Always true.
  package let allowsOtherThreads = true
  /// The name of this host.
  package let hostName: String

  /// The group of this process alone.
  package init() {
    // POSIX allows 255 bytes; the one after them stays 0 when a longer name is cut.
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    hostName = String(
      decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Returns at once.
  package func barrier() {}

  /// Leaves `bytes` as they are.
  package func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) {
    precondition(root == 0, "root \(root) is not in 0..<1")
  }

  /// Leaves `values` as they are.
  package func allReduceSum(_ values: UnsafeMutableBufferPointer<Float>) {}

  /// The `values` themselves.
  package func allReduceSum(_ values: [Int64]) -> [Int64] { values }

  /// The `values` themselves.
  package func allReduceSum(_ values: [Double]) -> [Double] { values }

  /// Copies `bytes` to `result`.
  package func allGather(
    _ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer
  ) {
    precondition(
      result.count == bytes.count, "\(result.count) bytes for 1 rank with \(bytes.count) bytes")
    result.copyMemory(from: bytes)
  }

  /// The `bytes` themselves, alone in an array.
  package func gatherv(_ bytes: [UInt8], to root: Int) -> [[UInt8]] {
    precondition(root == 0, "root \(root) is not in 0..<1")
    return [bytes]
  }

  /// The `bytes` themselves, alone in an array.
  package func allgatherv(_ bytes: [UInt8]) -> [[UInt8]] { [bytes] }

  /// Messages to nobody.
  package func requests(tag: Int) -> any RequestGroup { NoRequests() }

  /// Does nothing.
  package func leave() {}

  /// Ends this process.
  package func abort(status: Int) -> Never {
    // Not by exit(), in which libraries may wait for threads that are stuck.
    fflush(nil)
    _exit(failureStatus(status))
  }
}

/// The messages of a rank that has nobody to talk to.
private final class NoRequests: RequestGroup {
  func send(_ bytes: UnsafeRawBufferPointer, to rank: Int) {
    preconditionFailure("a message to rank \(rank) of 1")
  }

  func receive(_ bytes: UnsafeMutableRawBufferPointer, from rank: Int) {
    preconditionFailure("a message from rank \(rank) of 1")
  }

  func test() -> Bool { true }
}
