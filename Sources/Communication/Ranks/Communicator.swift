// The operations that a rank may ask of the other ranks.

import Liveness

/// The group of ranks that train together, seen from one of them.
///
/// Every operation except `abort` is collective: all ranks call it, in the same order, with the
/// same root and (unless said otherwise) the same counts. A rank that leaves one out makes the
/// others wait for ever, so work which may fail on one rank alone goes into ``together(_:)``.
///
/// One thread at a time makes calls, any thread where `allowsOtherThreads`. The forms that take pointers allocate nothing.
package protocol Communicator: AnyObject, Sendable {
  /// This process's place among all ranks, in 0..<size.
  var rank: Int { get }

  /// The number of ranks.
  var size: Int { get }

  /// This process's place among the ranks on its host, in 0..<localSize.
  var localRank: Int { get }

  /// The number of ranks on this host.
  var localSize: Int { get }

  /// The rank, among all, of the first rank on this host: the same number on one host only.
  var localLeader: Int { get }

  /// For each rank the first rank on its host: ranks of one host are neighbours, and have the same.
  var hostLeaders: [Int] { get }

  /// The name of this host.
  var hostName: String { get }

  /// Whether calls may come from another thread than the one that joined the group.
  var allowsOtherThreads: Bool { get }

  /// Returns when every rank has called it.
  func barrier() throws(MPIError)

  /// Overwrites `bytes` on every rank with those of `root`.
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws(MPIError)

  /// Overwrites `values` on every rank with their sum over the ranks.
  ///
  /// The order of summation is the MPI library's: every rank receives the same bits, but another
  /// number of ranks may give others.
  func allReduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws(MPIError)

  /// The sums of `values` over the ranks, exact while they fit.
  func allReduceSum(_ values: [Int64]) throws(MPIError) -> [Int64]

  /// The sums of `values` over the ranks, in an order that is not promised.
  func allReduceSum(_ values: [Double]) throws(MPIError) -> [Double]

  /// Overwrites `result` on every rank with the `bytes` of rank 0, of rank 1, and so on.
  ///
  /// - Precondition: `result` has room for `size` times the count of `bytes`, which is the same on
  ///   every rank.
  func allGather(
    _ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer
  ) throws(MPIError)

  /// The `bytes` of every rank, in rank order, on `root`; an empty array on the other ranks.
  ///
  /// Counts may differ between ranks.
  func gatherv(_ bytes: [UInt8], to root: Int) throws(MPIError) -> [[UInt8]]

  /// The `bytes` of every rank, in rank order, on every rank.
  ///
  /// Counts may differ between ranks.
  func allgatherv(_ bytes: [UInt8]) throws(MPIError) -> [[UInt8]]

  /// Point-to-point requests, of which many may be in flight at once.
  ///
  /// Not collective. Messages of one tag arrive in the order in which they were sent; those of
  /// different tags have nothing to do with each other.
  ///
  /// - Precondition: `tag` is in 1..<32768, which every MPI library offers.
  func requests(tag: Int) -> any RequestGroup

  /// Ends the group in good order; no other call may follow.
  func leave() throws(MPIError)

  /// Ends every rank at once, from one of them.
  ///
  /// `status` is brought into 1...125: the launcher would cut a larger one or read it as a signal.
  func abort(status: Int) -> Never
}

extension Communicator {
  /// Overwrites `values` on every rank with those of `root`.
  package func broadcast(
    _ values: UnsafeMutableBufferPointer<Float>, from root: Int
  ) throws(MPIError) {
    try broadcast(UnsafeMutableRawBufferPointer(values), from: root)
  }
}

/// Point-to-point requests of one rank that are in flight together.
///
/// They may move only while a rank that takes part is in a call.
package protocol RequestGroup: AnyObject {
  /// Begins to send `bytes`, which must stay as they are until ``test()`` returns true.
  func send(_ bytes: UnsafeRawBufferPointer, to rank: Int) throws(MPIError)

  /// Begins to overwrite `bytes` by a message of as many bytes, until ``test()`` returns true.
  func receive(_ bytes: UnsafeMutableRawBufferPointer, from rank: Int) throws(MPIError)

  /// Whether everything that was begun has left and arrived; moves it forward and does not wait.
  func test() throws(MPIError) -> Bool
}

extension RequestGroup {
  /// Returns when everything that was begun has left and arrived.
  package func wait() throws(MPIError) {
    Progress.beginWaiting()
    defer { Progress.endWaiting() }
    var backoff = Backoff()
    while try !test() { backoff.pause() }
  }
}

/// The exit status for `status` that a launcher hands on unchanged: in 1...125.
package func failureStatus(_ status: Int) -> Int32 {
  Int32(max(1, min(status, 125)))
}
