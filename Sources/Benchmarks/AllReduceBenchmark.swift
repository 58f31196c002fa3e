// The benchmark of the sum over ranks.

package import Communication
import Files
import Network
import Tensors

/// The sum of a buffer over the ranks, from 4 KB up to the gradients of the network, by the tree and
/// by the MPI library.
///
/// The tree is that of one sample a rank, in buckets; the library is asked for the whole buffer at
/// once. Bandwidth is the buffer's bytes a second. One rank has nothing to sum, so it has none.
package enum AllReduceBenchmark {
  /// The smallest buffer.
  private static let smallestByteCount = 4096

  /// Measures sums; the report counts on rank 0 only, its seconds are those of the largest buffer by
  /// the reduction that was asked for.
  package static func run(
    _ setting: BenchmarkSetting, _ exchange: ExchangeSetting, _ communicator: any Communicator
  ) throws -> BenchmarkReport {
    let measurement = BenchmarkMeasurement(communicator)
    // Zeros, so that sums of sums stay finite.
    let buffer = try FloatBuffer(count: setting.network.layout.count, for: "gradients")
    defer { withExtendedLifetime(buffer) {} }
    var table = TextTable(["bytes", "tree s", "library s", "ratio", "tree GB/s"])
    var sizes: [JSONValue] = []
    var largest: [Reduction: [Double]] = [:]
    for byteCount in byteCounts(gradients: 4 * buffer.count) {
      let part = UnsafeMutableBufferPointer(rebasing: buffer.floats[..<(byteCount / 4)])
      let reducer = GradientReducer(
        communicator: communicator, buckets: GradientBuckets(elementCount: part.count),
        compression: exchange.compression, overlap: exchange.overlap)
      let shards = (0..<communicator.size).map { $0..<$0 + 1 }
      // In turn, so that whatever else the machine does meets both alike.
      let own = try measurement.repetitions(setting) {
        [
          try measurement.seconds {
            reducer.begin([part], shards: shards)
            try reducer.finish()
          },
          try measurement.seconds { try communicator.allReduceSum(part) },
        ]
      }
      let slowest = try measurement.largest(own)
      let seconds: [Reduction: [Double]] = [
        .tree: slowest.map { $0[0] }, .fast: slowest.map { $0[1] },
      ]
      let (tree, library) = (median(seconds[.tree] ?? []), median(seconds[.fast] ?? []))
      let bandwidth = communicator.size > 1 ? Double(byteCount) / tree : nil
      table.add([
        byteCount.grouped, tree.decimals(6), library.decimals(6),
        communicator.size > 1 ? (tree / library).decimals(2) : "-",
        bandwidth.map { ($0 / 1e9).decimals(2) } ?? "-",
      ])
      sizes.append([
        "bytes": .integer(byteCount), "median_seconds": .number(tree),
        "seconds": .list((seconds[.tree] ?? []).map { .number($0) }),
        "bytes_per_second": bandwidth.map { .number($0) } ?? .null,
        "sent_bytes": .integer(reducer.sentByteCount), "library_median_seconds": .number(library),
        "library_seconds": .list((seconds[.fast] ?? []).map { .number($0) }),
      ])
      largest = seconds
    }
    var report = BenchmarkReport(
      name: "allreduce", setting: setting, ranks: communicator.size,
      seconds: largest[exchange.reduction] ?? [], multiplyAdds: 0,
      peakByteCount: try measurement.peakByteCount())
    report.details = [
      ("reduction", .text(exchange.reduction.rawValue)), ("sizes", .list(sizes)),
    ]
    report.detailText = table.text
    return report
  }

  /// Powers of four from the smallest on, then the gradients of the network.
  private static func byteCounts(gradients: Int) -> [Int] {
    var counts: [Int] = []
    var count = smallestByteCount
    while count < gradients {
      counts.append(count)
      count *= 4
    }
    return counts + [gradients]
  }
}
