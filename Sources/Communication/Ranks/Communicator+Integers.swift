// Whole numbers between ranks.

extension Communicator {
  /// The `numbers` of every rank, in rank order, on every rank; collective.
  ///
  /// Counts may differ between ranks. Each number takes eight bytes, the lowest first.
  package func allgatherv(_ numbers: [Int]) throws(MPIError) -> [[Int]] {
    let bytes = numbers.flatMap { number in
      withUnsafeBytes(of: Int64(number).littleEndian) { Array($0) }
    }
    return try allgatherv(bytes).map { bytes in
      stride(from: 0, to: bytes.count, by: 8).map { start in
        bytes[start..<start + 8].reversed().reduce(0) { $0 << 8 | Int($1) }
      }
    }
  }
}
