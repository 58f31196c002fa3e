// Point-to-point requests of MPI that are in flight together.

import CMPI
import Communication
import Glibc

/// Requests of one tag in a communicator.
final class MPIRequests: RequestGroup {
  private let handle: MPI_Comm
  private let tag: CInt
  private var requests: UnsafeMutableRawPointer?
  private var capacity = 0
  private var count = 0

  init(handle: MPI_Comm, tag: CInt) {
    self.handle = handle
    self.tag = tag
  }

  deinit {
    // What is still in flight keeps its memory: the library may write to it.
    if count == 0 { free(requests) }
  }

  func send(_ bytes: UnsafeRawBufferPointer, to rank: Int) throws(MPIError) {
    let index = try nextRequest()
    try check(
      CMPI_Isend(
        bytes.baseAddress, CInt(bytes.count), CMPI_BYTE(), CInt(rank), tag, handle, requests,
        index),
      "MPI_Isend")
  }

  func receive(_ bytes: UnsafeMutableRawBufferPointer, from rank: Int) throws(MPIError) {
    let index = try nextRequest()
    try check(
      CMPI_Irecv(
        bytes.baseAddress, CInt(bytes.count), CMPI_BYTE(), CInt(rank), tag, handle, requests,
        index),
      "MPI_Irecv")
  }

  func test() throws(MPIError) -> Bool {
    guard count > 0 else { return true }
    var flag: CInt = 0
    try check(CMPI_Testall(CInt(count), requests, &flag), "MPI_Testall")
    if flag != 0 { count = 0 }
    return flag != 0
  }

  /// A free place in the array of requests, which grows only in the first steps.
  private func nextRequest() throws(MPIError) -> CInt {
    if count == capacity {
      let larger = max(16, 2 * capacity)
      let grown = try requestMemory(larger, for: "MPI_Isend")
      if let requests {
        grown.copyMemory(from: requests, byteCount: count * Int(CMPI_Request_size()))
        free(requests)
      }
      requests = grown
      capacity = larger
    }
    defer { count += 1 }
    return CInt(count)
  }
}
