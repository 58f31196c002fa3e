// Gathers of byte strings of any length, by MPI.

import CMPI
package import Communication
import Glibc

extension MPICommunicator {
  /// The `bytes` of every rank, in rank order, on `root`; an empty array on the other ranks.
  ///
  /// The corresponding MPI function is `MPI_Gatherv`, or `MPI_Send` and `MPI_Recv` where there is
  /// much to gather.
  package func gatherv(_ bytes: [UInt8], to root: Int) throws(MPIError) -> [[UInt8]] {
    checkRoot(root)
    let counts = try byteCounts(bytes.count)
    let ends = runningSums(counts)
    guard let total = ends.last, total <= Self.chunkByteCount else {
      return try gatherInTurn(bytes, counts: counts, to: root)
    }
    var all = [UInt8](repeating: 0, count: rank == root ? total : 0)
    let starts = zip(ends, counts).map { CInt($0 - $1) }
    try checkWaiting(
      MPI_Gatherv(
        bytes, CInt(bytes.count), CMPI_BYTE(), &all, counts.map { CInt($0) }, starts, CMPI_BYTE(),
        CInt(root), handle),
      "MPI_Gatherv")
    return rank == root ? parts(of: all, ends: ends) : []
  }

  /// The `bytes` of every rank, in rank order, on every rank.
  ///
  /// The corresponding MPI function is `MPI_Allgatherv`, or `MPI_Bcast` where there is much to
  /// gather.
  package func allgatherv(_ bytes: [UInt8]) throws(MPIError) -> [[UInt8]] {
    let counts = try byteCounts(bytes.count)
    let ends = runningSums(counts)
    guard let total = ends.last, total <= Self.chunkByteCount else {
      return try allGatherInTurn(bytes, counts: counts)
    }
    var all = [UInt8](repeating: 0, count: total)
    let starts = zip(ends, counts).map { CInt($0 - $1) }
    try checkWaiting(
      MPI_Allgatherv(
        bytes, CInt(bytes.count), CMPI_BYTE(), &all, counts.map { CInt($0) }, starts, CMPI_BYTE(),
        handle),
      "MPI_Allgatherv")
    return parts(of: all, ends: ends)
  }

  /// How many bytes each rank has, in rank order.
  private func byteCounts(_ count: Int) throws(MPIError) -> [Int] {
    try barrier()
    var own = count
    var counts = [Int](repeating: 0, count: size)
    let stride = CInt(MemoryLayout<Int>.size)
    try checkWaiting(
      MPI_Allgather(&own, stride, CMPI_BYTE(), &counts, stride, CMPI_BYTE(), handle),
      "MPI_Allgather")
    return counts
  }

  /// Gathers by one message after the other, for totals beyond one call's counts.
  private func gatherInTurn(
    _ bytes: [UInt8], counts: [Int], to root: Int
  ) throws(MPIError) -> [[UInt8]] {
    guard rank == root else {
      for start in stride(from: 0, to: bytes.count, by: Self.chunkByteCount) {
        let count = min(Self.chunkByteCount, bytes.count - start)
        try bytes.withUnsafeBufferPointer { (buffer) throws(MPIError) in
          try checkWaiting(
            MPI_Send(
              buffer.baseAddress?.advanced(by: start), CInt(count), CMPI_BYTE(), CInt(root), 0,
              handle),
            "MPI_Send")
        }
      }
      return []
    }
    var gathered: [[UInt8]] = []
    for (source, total) in counts.enumerated() {
      if source == rank {
        gathered.append(bytes)
        continue
      }
      var received = [UInt8](repeating: 0, count: total)
      for start in stride(from: 0, to: total, by: Self.chunkByteCount) {
        let count = min(Self.chunkByteCount, total - start)
        try received.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
          try checkWaiting(
            CMPI_Recv(
              buffer.baseAddress?.advanced(by: start), CInt(count), CMPI_BYTE(), CInt(source), 0,
              handle),
            "MPI_Recv")
        }
      }
      gathered.append(received)
    }
    return gathered
  }

  /// Gathers by one broadcast after the other, for totals beyond one call's counts.
  private func allGatherInTurn(
    _ bytes: [UInt8], counts: [Int]
  ) throws(MPIError) -> [[UInt8]] {
    var gathered: [[UInt8]] = []
    for (root, count) in counts.enumerated() {
      var part = root == rank ? bytes : [UInt8](repeating: 0, count: count)
      try part.withUnsafeMutableBufferPointer { (part) throws(MPIError) in
        try broadcast(UnsafeMutableRawBufferPointer(part), from: root)
      }
      gathered.append(part)
    }
    return gathered
  }
}

/// Where each part ends when the parts lie one after the other.
private func runningSums(_ counts: [Int]) -> [Int] {
  var sum = 0
  return counts.map { count in
    sum += count
    return sum
  }
}

private func parts(of bytes: [UInt8], ends: [Int]) -> [[UInt8]] {
  zip([0] + ends, ends).map { Array(bytes[$0..<$1]) }
}
