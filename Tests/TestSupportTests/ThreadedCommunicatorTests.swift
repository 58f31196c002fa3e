// Ranks that are threads do what the protocol says, and never wait for ever.

import Communication
import TestSupport
import Testing

@Suite struct ThreadedCommunicatorTests {
  @Test(arguments: 1...4)
  func collectiveOperations(_ ranks: Int) throws {
    let results = ThreadedCommunicator.run(ranks: ranks) { communicator in
      let rank = communicator.rank
      #expect(communicator.size == ranks)
      for round in 0..<50 {
        try communicator.barrier()
        let counts = try communicator.allReduceSum([Int64(rank), 1, Int64(round)])
        #expect(counts == [Int64(ranks * (ranks - 1) / 2), Int64(ranks), Int64(ranks * round)])
        #expect(try communicator.allReduceSum([0.5]) == [0.5 * Double(ranks)])
        var floats: [Float] = [1, Float(rank)]
        try floats.withUnsafeMutableBufferPointer { try communicator.allReduceSum($0) }
        #expect(floats == [Float(ranks), Float(ranks * (ranks - 1) / 2)])
      }
      var bytes = [UInt8](repeating: UInt8(rank), count: 3)
      try bytes.withUnsafeMutableBytes { try communicator.broadcast($0, from: ranks - 1) }
      #expect(bytes == [UInt8](repeating: UInt8(ranks - 1), count: 3))
      var all = [UInt8](repeating: 9, count: 2 * ranks)
      try all.withUnsafeMutableBytes { all in
        try [UInt8(rank), 7].withUnsafeBytes { try communicator.allGather($0, into: all) }
      }
      #expect(all == (0..<ranks).flatMap { [UInt8($0), 7] })
      let parts = (0..<ranks).map { [UInt8](repeating: UInt8($0), count: $0) }
      #expect(try communicator.allgatherv(parts[rank]) == parts)
      let numbers = [[Int.min, -1], [], [0, 1 << 40, Int.max], [7]]
      #expect(try communicator.allgatherv(numbers[rank]) == Array(numbers.prefix(ranks)))
      let gathered = try communicator.gatherv(parts[rank], to: 0)
      #expect(gathered == (rank == 0 ? parts : []))
      try communicator.leave()
      return rank
    }
    #expect(try results.map { try $0.get() } == Array(0..<ranks))
  }

  @Test func whoWaitsForARankThatEndedFails() {
    let results = ThreadedCommunicator.run(ranks: 3) { communicator in
      if communicator.rank != 1 { try communicator.barrier() }
    }
    #expect(throws: MPIError.self) { try results[0].get() }
    #expect(throws: Never.self) { try results[1].get() }
    #expect(throws: MPIError.self) { try results[2].get() }
  }

  @Test func differentOperationsFailEverywhere() {
    let results = ThreadedCommunicator.run(ranks: 2) { communicator in
      if communicator.rank == 0 {
        try communicator.barrier()
      } else {
        _ = try communicator.allReduceSum([1.0])
      }
    }
    for result in results {
      #expect(throws: MPIError.self) { try result.get() }
    }
  }
}
