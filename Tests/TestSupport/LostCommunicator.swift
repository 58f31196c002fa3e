// A rank whose peers never answer, to see what becomes of memory in which messages are in flight.

package import Communication
import Foundation

/// One of several ranks, of which the others are lost: messages can be begun, and never end.
///
/// Everything that needs another rank throws `MPIError`, a look at messages in flight too.
package final class LostCommunicator: Communicator {
  /// This rank's place among all.
  package let rank: Int
  /// The number of ranks.
  package let size: Int
  /// The same as `rank`: there is one host.
  package var localRank: Int { rank }
  /// The same as `size`: there is one host.
  package var localSize: Int { size }
  /// Always 0.
  package let localLeader = 0
  /// 0 for each rank.
  package var hostLeaders: [Int] { [Int](repeating: 0, count: size) }
  /// Always true.
  package let allowsOtherThreads = true
  /// Always "nowhere".
  package let hostName = "nowhere"

  private let ledger = Ledger()

  /// Rank `rank` of `size`.
  package init(rank: Int, size: Int) {
    self.rank = rank
    self.size = size
  }

  /// Whether the allocator hands out memory again in which messages are in flight: it may once the
  /// memory was freed, and mostly does when asked for as much as was freed.
  package var reusesMemoryInFlight: Bool {
    let ranges = ledger.ranges
    let blocks = ranges.flatMap { range in
      (0..<8).map { _ in UnsafeMutableRawPointer.allocate(byteCount: range.count, alignment: 64) }
        + (0..<8).map { _ in UnsafeMutableRawPointer.allocate(byteCount: range.count, alignment: 1)
        }
    }
    defer { for block in blocks { block.deallocate() } }
    return blocks.contains { block in ranges.contains { $0.contains(Int(bitPattern: block)) } }
  }

  /// Whether any message was begun.
  package var hasMessagesInFlight: Bool { !ledger.ranges.isEmpty }

  /// Throws.
  package func barrier() throws(MPIError) { throw Self.lost("barrier") }

  /// Throws.
  package func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws(MPIError) {
    throw Self.lost("broadcast")
  }

  /// Throws.
  package func allReduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws(MPIError) {
    throw Self.lost("sum of Float")
  }

  /// Throws.
  package func allReduceSum(_ values: [Int64]) throws(MPIError) -> [Int64] {
    throw Self.lost("sum of Int64")
  }

  /// Throws.
  package func allReduceSum(_ values: [Double]) throws(MPIError) -> [Double] {
    throw Self.lost("sum of Double")
  }

  /// Throws.
  package func allGather(
    _ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer
  ) throws(MPIError) {
    throw Self.lost("gather")
  }

  /// Throws.
  package func gatherv(_ bytes: [UInt8], to root: Int) throws(MPIError) -> [[UInt8]] {
    throw Self.lost("gather to a root")
  }

  /// Throws.
  package func allgatherv(_ bytes: [UInt8]) throws(MPIError) -> [[UInt8]] {
    throw Self.lost("gather of any counts")
  }

  /// Messages that stay in flight.
  package func requests(tag: Int) -> any RequestGroup { LostRequests(ledger: ledger) }

  /// Throws.
  package func leave() throws(MPIError) { throw Self.lost("leave") }

  /// Ends the process.
  package func abort(status: Int) -> Never {
    fatalError("rank \(rank) aborts with status \(status)")
  }

  fileprivate static func lost(_ function: StaticString) -> MPIError {
    MPIError(code: -1, function: function, text: "the other ranks are lost")
  }
}

private final class LostRequests: RequestGroup {
  private let ledger: Ledger
  private var isInFlight = false

  init(ledger: Ledger) { self.ledger = ledger }

  func send(_ bytes: UnsafeRawBufferPointer, to rank: Int) { begin(bytes) }

  func receive(_ bytes: UnsafeMutableRawBufferPointer, from rank: Int) {
    begin(UnsafeRawBufferPointer(bytes))
  }

  func test() throws(MPIError) -> Bool {
    guard isInFlight else { return true }
    throw LostCommunicator.lost("test")
  }

  private func begin(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { preconditionFailure("a message without memory") }
    isInFlight = true
    ledger.add(Int(bitPattern: base)..<Int(bitPattern: base) + bytes.count)
  }
}

/// The addresses of the bytes of all messages in flight.
private final class Ledger: @unchecked Sendable {
  // Unchecked because of the variable, which the lock guards.

  private let lock = NSLock()
  private var all: [Range<Int>] = []

  var ranges: [Range<Int>] { lock.withLock { all } }
  func add(_ range: Range<Int>) { lock.withLock { all.append(range) } }
}
