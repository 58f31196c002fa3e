// The ranks of an MPI job; the only file that calls MPI.

import CMPI
package import Communication
import Glibc
import Liveness

/// The ranks that a launcher such as `mpirun` started.
///
/// Works on a duplicate of MPI_COMM_WORLD, so that no message of another library in the process
/// can be taken for one of these. Every return code is checked. Buffers of any size are sent in
/// pieces of at most `chunkByteCount`, because MPI counts are 32-bit.
///
/// It is unchecked `Sendable` because all its stored properties are constants and the handle among
/// them has a type from C, about which the compiler knows nothing. MPI keeps its own state; whether
/// it may be entered from any thread is asked at the start and recorded in `threadSupport`.
package final class MPICommunicator: Communicator, @unchecked Sendable {
  /// From which threads MPI may be called.
  package enum ThreadSupport: String, Sendable {
    /// From the thread that started it only.
    case startingThread = "starting thread"
    /// From any thread, one at a time.
    case oneAtATime = "one at a time"
    /// From any thread at any time.
    case anyTime = "any time"
  }

  /// The most bytes in one MPI call: far below 2^31, and large enough to cost nothing.
  package static let chunkByteCount = 64 << 20

  /// This process's place among all ranks, in 0..<size.
  package let rank: Int

  /// The number of ranks.
  package let size: Int

  /// This process's place among the ranks on its host, in 0..<localSize.
  package let localRank: Int

  /// The number of ranks on this host, that is of those which share memory.
  package let localSize: Int

  /// The rank, among all, of the first rank on this host.
  package let localLeader: Int

  /// For each rank the first rank on its host.
  package let hostLeaders: [Int]

  /// The name of this host.
  ///
  /// The corresponding MPI function is `MPI_Get_processor_name`.
  package let hostName: String

  /// What the MPI library granted; any time was asked for.
  package let threadSupport: ThreadSupport

  /// Whether the library granted more than calls from the thread that started it.
  package var allowsOtherThreads: Bool { threadSupport != .startingThread }

  let handle: MPI_Comm

  /// Initialises MPI and joins the job.
  ///
  /// Ranks are numbered anew where those of one host are no neighbours, as the launcher may deal them out to
  /// hosts in turn: then what they have in common is summed on the host. Rank 0 stays what it is.
  ///
  /// Called once in a process. The corresponding MPI functions are `MPI_Init_thread`,
  /// `MPI_Comm_dup`, `MPI_Comm_split_type`, `MPI_Allgather` and `MPI_Comm_split`.
  package init() throws(MPIError) {
    var granted: CInt = 0
    try check(CMPI_Init_thread(CMPI_THREAD_MULTIPLE(), &granted), "MPI_Init_thread")
    threadSupport =
      granted >= CMPI_THREAD_MULTIPLE()
      ? .anyTime : granted >= CMPI_THREAD_SERIALIZED() ? .oneAtATime : .startingThread

    // Without this MPI ends the process itself and no code ever reaches Swift.
    try check(CMPI_Comm_return_errors(CMPI_COMM_WORLD()), "MPI_Comm_set_errhandler")
    var code: CInt = 0
    let duplicate: MPI_Comm = CMPI_Comm_dup(CMPI_COMM_WORLD(), &code)
    try check(code, "MPI_Comm_dup")
    try check(CMPI_Comm_return_errors(duplicate), "MPI_Comm_set_errhandler")

    let (launched, size) = try place(in: duplicate)
    let host: MPI_Comm = CMPI_Comm_split_shared(duplicate, CInt(launched), &code)
    try check(code, "MPI_Comm_split_type")
    (localRank, localSize) = try place(in: host)
    var leader = CInt(launched)
    let byteCount = CInt(MemoryLayout<CInt>.size)
    try check(MPI_Bcast(&leader, byteCount, CMPI_BYTE(), 0, host), "MPI_Bcast")
    try check(CMPI_Comm_free(host), "MPI_Comm_free")
    var leaders = [CInt](repeating: 0, count: size)
    try check(
      MPI_Allgather(&leader, byteCount, CMPI_BYTE(), &leaders, byteCount, CMPI_BYTE(), duplicate),
      "MPI_Allgather")
    let order = HostOrder(leaders: leaders.map { Int($0) })
    if order.isAsLaunched {
      handle = duplicate
    } else {
      handle = CMPI_Comm_split(duplicate, CInt(order.rank(ofLaunched: launched)), &code)
      try check(code, "MPI_Comm_split")
      try check(CMPI_Comm_return_errors(handle), "MPI_Comm_set_errhandler")
      try check(CMPI_Comm_free(duplicate), "MPI_Comm_free")
    }
    self.size = size
    rank = order.rank(ofLaunched: launched)
    hostLeaders = order.leaders
    localLeader = order.leaders[rank]

    var name = [CChar](repeating: 0, count: Int(CMPI_MAX_PROCESSOR_NAME()))
    var length: CInt = 0
    try check(MPI_Get_processor_name(&name, &length), "MPI_Get_processor_name")
    hostName = text(name.prefix(Int(length)))
  }

  /// The name and version of the MPI library, in a line.
  package static var libraryVersion: String {
    // Of the rest of Open MPI's text where and by whom it was built; MPICH has a line for each matter.
    let line = libraryText.prefix { $0 != "\n" }
    return line.prefix { $0 != "," }.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  /// All that the library tells of itself.
  ///
  /// The corresponding MPI function is `MPI_Get_library_version`.
  static var libraryText: String {
    var name = [CChar](repeating: 0, count: Int(CMPI_MAX_LIBRARY_VERSION()))
    var length: CInt = 0
    guard MPI_Get_library_version(&name, &length) == CMPI_SUCCESS() else { return "unknown" }
    return text(name.prefix(Int(length)))
  }

  /// The name and version of the MPI library that the program was built with.
  package static var headerVersion: String { String(cString: CMPI_HEADER_VERSION()) }

  /// The options of the library's launcher that allow more ranks than cores and bind none to a core.
  ///
  /// Other libraries than Open MPI do so by default.
  package static var unboundOptions: [String] {
    headerVersion.hasPrefix("Open MPI") ? ["--oversubscribe", "--bind-to", "none"] : []
  }

  /// Whether MPI was initialised in this process.
  ///
  /// The corresponding MPI function is `MPI_Initialized`.
  package static var isInitialized: Bool {
    var flag: CInt = 0
    return MPI_Initialized(&flag) == CMPI_SUCCESS() && flag != 0
  }

  /// Whether MPI was ended in this process.
  ///
  /// The corresponding MPI function is `MPI_Finalized`.
  package static var isFinalized: Bool {
    var flag: CInt = 0
    return MPI_Finalized(&flag) == CMPI_SUCCESS() && flag != 0
  }

  // MARK: Collective operations

  /// Returns when every rank has called it.
  ///
  /// The corresponding MPI function is `MPI_Ibarrier`, which is looked at with pauses: MPI's own
  /// waits keep a core busy, and other ranks may be at work for minutes.
  package func barrier() throws(MPIError) {
    guard size > 1 else { return }
    let request = try requestMemory(1, for: "MPI_Ibarrier")
    try check(CMPI_Ibarrier(handle, request, 0), "MPI_Ibarrier")
    Progress.beginWaiting()
    defer { Progress.endWaiting() }
    var backoff = Backoff()
    var hasEnded: CInt = 0
    while true {
      try check(CMPI_Testall(1, request, &hasEnded), "MPI_Testall")
      if hasEnded != 0 { break }
      backoff.pause()
    }
    free(request)
  }

  /// Overwrites `bytes` on every rank with those of `root`.
  ///
  /// The corresponding MPI function is `MPI_Bcast`.
  package func broadcast(
    _ bytes: UnsafeMutableRawBufferPointer, from root: Int
  ) throws(MPIError) {
    checkRoot(root)
    var start = 0
    while start < bytes.count {
      let count = min(Self.chunkByteCount, bytes.count - start)
      try checkWaiting(
        MPI_Bcast(
          bytes.baseAddress?.advanced(by: start), CInt(count), CMPI_BYTE(), CInt(root), handle),
        "MPI_Bcast")
      start += count
    }
  }

  /// Overwrites `values` on every rank with their sum over the ranks.
  ///
  /// The corresponding MPI function is `MPI_Allreduce`.
  package func allReduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws(MPIError) {
    try allReduceSum(UnsafeMutableRawBufferPointer(values), of: CMPI_FLOAT(), stride: 4)
  }

  /// The sums of `values` over the ranks, exact while they fit.
  ///
  /// Ranks agree by it on what they have done, so the slower ones are waited for with pauses. The
  /// corresponding MPI function is `MPI_Allreduce`, behind a barrier.
  package func allReduceSum(_ values: [Int64]) throws(MPIError) -> [Int64] {
    try barrier()
    var sums = values
    try sums.withUnsafeMutableBufferPointer { (sums) throws(MPIError) in
      try allReduceSum(UnsafeMutableRawBufferPointer(sums), of: CMPI_INT64_T(), stride: 8)
    }
    return sums
  }

  /// The sums of `values` over the ranks, in an order that is not promised.
  ///
  /// The corresponding MPI function is `MPI_Allreduce`.
  package func allReduceSum(_ values: [Double]) throws(MPIError) -> [Double] {
    var sums = values
    try sums.withUnsafeMutableBufferPointer { (sums) throws(MPIError) in
      try allReduceSum(UnsafeMutableRawBufferPointer(sums), of: CMPI_DOUBLE(), stride: 8)
    }
    return sums
  }

  /// Overwrites `result` on every rank with the `bytes` of rank 0, of rank 1, and so on.
  ///
  /// The corresponding MPI function is `MPI_Allgather`, or `MPI_Bcast` where the result is large.
  package func allGather(
    _ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer
  ) throws(MPIError) {
    let count = bytes.count
    precondition(
      result.count == size * count,
      "\(result.count) bytes for \(size) ranks with \(count) bytes each")
    guard count > 0 else { return }
    if result.count <= Self.chunkByteCount {
      try checkWaiting(
        MPI_Allgather(
          bytes.baseAddress, CInt(count), CMPI_BYTE(),
          result.baseAddress, CInt(count), CMPI_BYTE(), handle),
        "MPI_Allgather")
      return
    }
    UnsafeMutableRawBufferPointer(rebasing: result[rank * count..<(rank + 1) * count])
      .copyMemory(from: bytes)
    for root in 0..<size {
      try broadcast(
        UnsafeMutableRawBufferPointer(rebasing: result[root * count..<(root + 1) * count]),
        from: root)
    }
  }

  // MARK: Messages

  /// Point-to-point requests, of which many may be in flight at once.
  ///
  /// The corresponding MPI functions are `MPI_Isend`, `MPI_Irecv` and `MPI_Testall`.
  package func requests(tag: Int) -> any RequestGroup {
    precondition(1..<32768 ~= tag, "tag \(tag)")
    return MPIRequests(handle: handle, tag: CInt(tag))
  }

  // MARK: Ending

  /// Ends MPI in good order; no other call may follow.
  ///
  /// The corresponding MPI function is `MPI_Finalize`.
  package func leave() throws(MPIError) {
    try check(CMPI_Comm_free(handle), "MPI_Comm_free")
    try checkWaiting(MPI_Finalize(), "MPI_Finalize")
  }

  /// Ends every rank at once, from one of them.
  ///
  /// The corresponding MPI function is `MPI_Abort`.
  package func abort(status: Int) -> Never {
    Self.abortJob(status: status)
  }

  /// Ends every rank of the job, also where joining it failed half-way.
  ///
  /// The corresponding MPI function is `MPI_Abort`.
  package static func abortJob(status: Int) -> Never {
    fflush(nil)
    if isInitialized && !isFinalized {
      // MPICH's launcher goes with the job, and would take along what has not come through it yet.
      usleep(100_000)
      _ = MPI_Abort(CMPI_COMM_WORLD(), failureStatus(status))
    }
    // Not by exit(), in which libraries may wait for threads that are stuck.
    _exit(failureStatus(status))
  }

  // MARK: Parts of the above

  func checkRoot(_ root: Int) {
    precondition(0..<size ~= root, "root \(root) is not in 0..<\(size)")
  }

  /// Sums in place, piece by piece; `stride` is the byte count of one element of `type`.
  private func allReduceSum(
    _ bytes: UnsafeMutableRawBufferPointer, of type: MPI_Datatype, stride: Int
  ) throws(MPIError) {
    var start = 0
    while start < bytes.count {
      let count = min(Self.chunkByteCount, bytes.count - start)
      try checkWaiting(
        MPI_Allreduce(
          CMPI_IN_PLACE(), bytes.baseAddress?.advanced(by: start), CInt(count / stride), type,
          CMPI_SUM(), handle),
        "MPI_Allreduce")
      start += count
    }
  }
}

// MARK: - Below the class

/// Memory for `count` requests of `function`, to be freed by the caller.
func requestMemory(
  _ count: Int, for function: StaticString
) throws(MPIError) -> UnsafeMutableRawPointer {
  guard let memory = CMPI_Requests(CInt(count)) else {
    throw MPIError(
      code: CMPI_ERR_NO_MEM(), function: function, text: "no memory for \(count) requests")
  }
  return UnsafeMutableRawPointer(memory)
}

/// Throws unless `code`, returned by `function`, is success.
func check(_ code: CInt, _ function: StaticString) throws(MPIError) {
  guard code != CMPI_SUCCESS() else { return }
  var message = [CChar](repeating: 0, count: Int(CMPI_MAX_ERROR_STRING()))
  var length: CInt = 0
  let known = MPI_Error_string(code, &message, &length) == CMPI_SUCCESS()
  throw MPIError(
    code: code, function: function,
    text: known ? text(message.prefix(Int(length))) : "unknown error")
}

/// The same for a `call` that returns when other ranks have done their part.
func checkWaiting(
  _ call: @autoclosure () -> CInt, _ function: StaticString
) throws(MPIError) {
  Progress.beginWaiting()
  let code = call()
  Progress.endWaiting()
  try check(code, function)
}

/// This process's rank in a communicator and the communicator's size.
private func place(in communicator: MPI_Comm) throws(MPIError) -> (rank: Int, size: Int) {
  var rank: CInt = 0
  var size: CInt = 0
  try check(MPI_Comm_rank(communicator, &rank), "MPI_Comm_rank")
  try check(MPI_Comm_size(communicator, &size), "MPI_Comm_size")
  return (Int(rank), Int(size))
}

private func text(_ characters: ArraySlice<CChar>) -> String {
  String(decoding: characters.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
