// Ranks that are threads of one process, so that tests need no launcher.

package import Communication
import Foundation

/// One of several ranks that are threads of this process and share its memory.
///
/// Every collective operation is one exchange of bytes through a meeting point. Where a rank waits
/// for one that has already ended, or that called another operation, both a certain deadlock
/// elsewhere, the operation throws `MPIError`. Sums are added in rank order.
package final class ThreadedCommunicator: Communicator {
  /// This thread's place among the ranks.
  package let rank: Int
  /// The number of ranks.
  package let size: Int
  /// The place among the ranks of the host; there is one unless a test wants more.
  package var localRank: Int { rank - localLeader }
  /// The ranks of the host.
  package var localSize: Int { min(ranksPerHost, size - localLeader) }
  /// The first rank of the host.
  package var localLeader: Int { rank / ranksPerHost * ranksPerHost }
  /// The first rank of each rank's host.
  package var hostLeaders: [Int] { (0..<size).map { $0 / ranksPerHost * ranksPerHost } }
  /// Always true.
  package let allowsOtherThreads = true
  /// Always "threads".
  package let hostName = "threads"

  private let meeting: Meeting
  private let ranksPerHost: Int

  private init(rank: Int, meeting: Meeting, ranksPerHost: Int) {
    self.rank = rank
    size = meeting.size
    self.meeting = meeting
    self.ranksPerHost = ranksPerHost
  }

  /// Runs `body` on `ranks` threads at once, each with its communicator.
  ///
  /// - Parameter ranksPerHost: the ranks that pass for those of one host, all unless given.
  /// - Returns: what each rank returned or threw, in rank order.
  package static func run<Value: Sendable>(
    ranks: Int, ranksPerHost: Int? = nil,
    _ body: @escaping @Sendable (ThreadedCommunicator) throws -> Value
  ) -> [Result<Value, any Error>] {
    let meeting = Meeting(size: ranks)
    let outcomes = Outcomes<Value>(count: ranks)
    for rank in 0..<ranks {
      // A pool of threads would not promise that all ranks run at once.
      Thread.detachNewThread {
        let communicator = ThreadedCommunicator(
          rank: rank, meeting: meeting, ranksPerHost: ranksPerHost ?? ranks)
        let outcome = Result { try body(communicator) }
        meeting.end(rank: rank)
        outcomes.set(outcome, of: rank)
      }
    }
    return outcomes.wait()
  }

  /// Returns when every rank has called it.
  package func barrier() throws(MPIError) {
    _ = try exchange([], "barrier")
  }

  /// Overwrites `bytes` on every rank with those of `root`.
  package func broadcast(
    _ bytes: UnsafeMutableRawBufferPointer, from root: Int
  ) throws(MPIError) {
    let all = try exchange(rank == root ? Array(bytes) : [], "broadcast")
    precondition(all[root].count == bytes.count, "\(all[root].count) bytes for \(bytes.count)")
    bytes.copyBytes(from: all[root])
  }

  /// Overwrites `values` on every rank with their sum over the ranks.
  package func allReduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws(MPIError) {
    let sums = try sums(of: Array(values), "sum of Float") { $0 + $1 }
    _ = values.update(from: sums)
  }

  /// The sums of `values` over the ranks.
  package func allReduceSum(_ values: [Int64]) throws(MPIError) -> [Int64] {
    try sums(of: values, "sum of Int64") { $0 + $1 }
  }

  /// The sums of `values` over the ranks.
  package func allReduceSum(_ values: [Double]) throws(MPIError) -> [Double] {
    try sums(of: values, "sum of Double") { $0 + $1 }
  }

  /// Overwrites `result` on every rank with the `bytes` of rank 0, of rank 1, and so on.
  package func allGather(
    _ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer
  ) throws(MPIError) {
    let all = try exchange(Array(bytes), "gather")
    precondition(
      all.allSatisfy { $0.count == bytes.count } && result.count == size * bytes.count,
      "\(result.count) bytes for \(all.map(\.count))")
    result.copyBytes(from: all.joined())
  }

  /// The `bytes` of every rank, in rank order, on `root`; an empty array on the other ranks.
  package func gatherv(_ bytes: [UInt8], to root: Int) throws(MPIError) -> [[UInt8]] {
    let all = try exchange(bytes, "gather to \(root)")
    return rank == root ? all : []
  }

  /// The `bytes` of every rank, in rank order, on every rank.
  package func allgatherv(_ bytes: [UInt8]) throws(MPIError) -> [[UInt8]] {
    try exchange(bytes, "gather of any counts")
  }

  /// Messages that are copied from one thread's memory to the other's.
  package func requests(tag: Int) -> any RequestGroup {
    ThreadedRequests(rank: rank, tag: tag, letterBox: meeting.letterBox)
  }

  /// Waits for the others, as the end of MPI may.
  package func leave() throws(MPIError) {
    _ = try exchange([], "leave")
  }

  /// Ends the process, and with it every rank.
  package func abort(status: Int) -> Never {
    fatalError("rank \(rank) aborts with status \(status)")
  }

  private func exchange(_ bytes: [UInt8], _ operation: String) throws(MPIError) -> [[UInt8]] {
    try meeting.exchange(bytes, operation, of: rank)
  }

  private func sums<Value: BitwiseCopyable>(
    of values: [Value], _ operation: String, _ add: (Value, Value) -> Value
  ) throws(MPIError) -> [Value] {
    let all = try exchange(values.withUnsafeBytes { Array($0) }, operation)
    var sums: [Value]?
    for bytes in all {
      precondition(
        bytes.count == values.count * MemoryLayout<Value>.stride,
        "\(bytes.count) bytes where rank \(rank) has \(values.count) values")
      let part = bytes.withUnsafeBytes { bytes in
        values.indices.map {
          bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Value>.stride, as: Value.self)
        }
      }
      sums = sums.map { sums in zip(sums, part).map { add($0, $1) } } ?? part
    }
    return sums ?? values
  }
}

// MARK: - Messages

/// The messages that were sent and not yet received.
private final class LetterBox: @unchecked Sendable {
  // Unchecked because of the variable, which the lock guards.

  struct Address: Hashable {
    let source: Int
    let destination: Int
    let tag: Int
  }

  private let lock = NSLock()
  private var letters: [Address: [[UInt8]]] = [:]

  func put(_ bytes: [UInt8], _ address: Address) {
    lock.withLock { letters[address, default: []].append(bytes) }
  }

  func take(_ address: Address) -> [UInt8]? {
    lock.withLock {
      guard let first = letters[address]?.first else { return nil }
      letters[address]?.removeFirst()
      return first
    }
  }
}

private final class ThreadedRequests: RequestGroup {
  private let rank: Int
  private let tag: Int
  private let letterBox: LetterBox
  private var expected: [(source: Int, bytes: UnsafeMutableRawBufferPointer)] = []

  init(rank: Int, tag: Int, letterBox: LetterBox) {
    self.rank = rank
    self.tag = tag
    self.letterBox = letterBox
  }

  func send(_ bytes: UnsafeRawBufferPointer, to rank: Int) {
    letterBox.put(Array(bytes), .init(source: self.rank, destination: rank, tag: tag))
  }

  func receive(_ bytes: UnsafeMutableRawBufferPointer, from rank: Int) {
    expected.append((rank, bytes))
  }

  func test() -> Bool {
    // One source after the other, so that letters of one keep their order.
    var blocked: Set<Int> = []
    expected.removeAll { source, bytes in
      guard !blocked.contains(source),
        let letter = letterBox.take(.init(source: source, destination: rank, tag: tag))
      else {
        blocked.insert(source)
        return false
      }
      precondition(letter.count == bytes.count, "\(letter.count) bytes for \(bytes.count)")
      bytes.copyBytes(from: letter)
      return true
    }
    return expected.isEmpty
  }
}

// MARK: - Where the threads meet

/// The point where all ranks leave their bytes and take away those of the others.
private final class Meeting: @unchecked Sendable {
  // Unchecked because of the variables, all of them guarded by the condition's lock.

  let size: Int
  let letterBox = LetterBox()
  private let condition = NSCondition()
  private var given: [Int: [UInt8]] = [:]
  private var operation = ""
  private var round = 0
  private var result: [[UInt8]] = []
  private var ended: Set<Int> = []
  private var mismatch = ""

  init(size: Int) {
    self.size = size
  }

  func exchange(
    _ bytes: [UInt8], _ operation: String, of rank: Int
  ) throws(MPIError) -> [[UInt8]] {
    condition.lock()
    defer { condition.unlock() }
    if given.isEmpty { self.operation = operation }
    if operation != self.operation {
      mismatch = "rank \(rank) calls \(operation) where others call \(self.operation)"
      condition.broadcast()
    }
    let own = round
    given[rank] = bytes
    if given.count == size && mismatch.isEmpty {
      result = (0..<size).map { given[$0] ?? [] }
      given = [:]
      round += 1
      condition.broadcast()
    }
    // The next round cannot finish, and so not overwrite the result, before this rank gives again.
    while round == own {
      guard ended.isEmpty && mismatch.isEmpty else {
        let reason = mismatch.isEmpty ? "ranks \(ended.sorted()) have ended" : mismatch
        throw MPIError(code: -1, function: "exchange", text: "\(operation): \(reason)")
      }
      condition.wait()
    }
    return result
  }

  func end(rank: Int) {
    condition.lock()
    ended.insert(rank)
    condition.broadcast()
    condition.unlock()
  }
}

/// What the ranks returned, once all have.
private final class Outcomes<Value: Sendable>: @unchecked Sendable {
  // Unchecked because of the variable, which the condition's lock guards.

  private let count: Int
  private let condition = NSCondition()
  private var results: [Int: Result<Value, any Error>] = [:]

  init(count: Int) {
    self.count = count
  }

  func set(_ result: Result<Value, any Error>, of rank: Int) {
    condition.lock()
    results[rank] = result
    condition.signal()
    condition.unlock()
  }

  func wait() -> [Result<Value, any Error>] {
    condition.lock()
    defer { condition.unlock() }
    while results.count < count { condition.wait() }
    return (0..<count).compactMap { results[$0] }
  }
}
