// A rank whose peers never answer, to see what becomes of memory in which messages are in flight.

import Communication
import Foundation

/// One of several ranks, of which the others are lost: messages can be begun, and never end.
///
/// Everything that needs another rank throws `MPIError`, a look at messages in flight too.
public final class LostCommunicator: Communicator {
  /// This rank's place among all.
  public let rank: Int
  /// The number of ranks.
  public let size: Int
  /// The same as `rank`: there is one host.
  public var hostRank: Int { rank }
  /// The same as `size`: there is one host.
  public var hostSize: Int { size }
  /// Always 0.
  public let hostLeader = 0
  /// Always true.
  public let allowsOtherThreads = true
  /// Always "nowhere".
  public let hostName = "nowhere"

  private let ledger = Ledger()

  /// Rank `rank` of `size`.
  public init(rank: Int, size: Int) {
    self.rank = rank
    self.size = size
  }

  /// Whether the allocator hands out memory again in which messages are in flight: it may once the
  /// memory was freed, and mostly does when asked for as much as was freed.
  public var reusesMemoryInFlight: Bool {
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
  public var hasMessagesInFlight: Bool { !ledger.ranges.isEmpty }

  /// Throws.
  public func barrier() throws(MPIError) { throw Self.lost("barrier") }

  /// Throws.
  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws(MPIError) {
    throw Self.lost("broadcast")
  }

  /// Throws.
  public func allReduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws(MPIError) {
    throw Self.lost("sum of Float")
  }

  /// Throws.
  public func allReduceSum(_ values: [Int64]) throws(MPIError) -> [Int64] {
    throw Self.lost("sum of Int64")
  }

  /// Throws.
  public func allReduceSum(_ values: [Double]) throws(MPIError) -> [Double] {
    throw Self.lost("sum of Double")
  }

  /// Throws.
  public func allGather(
    _ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer
  ) throws(MPIError) {
    throw Self.lost("gather")
  }

  /// Throws.
  public func gatherVariable(_ bytes: [UInt8], to root: Int) throws(MPIError) -> [[UInt8]] {
    throw Self.lost("gather to a root")
  }

  /// Throws.
  public func allGatherVariable(_ bytes: [UInt8]) throws(MPIError) -> [[UInt8]] {
    throw Self.lost("gather of any counts")
  }

  /// Messages that stay in flight.
  public func messages(tag: Int) -> any Messages { LostMessages(ledger: ledger) }

  /// Throws.
  public func leave() throws(MPIError) { throw Self.lost("leave") }

  /// Ends the process.
  public func abort(status: Int) -> Never {
    fatalError("rank \(rank) aborts with status \(status)")
  }

  fileprivate static func lost(_ function: StaticString) -> MPIError {
    MPIError(code: -1, function: function, text: "the other ranks are lost")
  }
}

private final class LostMessages: Messages {
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
