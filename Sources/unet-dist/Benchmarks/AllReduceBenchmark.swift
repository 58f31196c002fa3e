// The benchmark of the sum over ranks.

import Communication
import Evaluation
import Tensors
import Training

/// The sum of a buffer over the ranks, from 4 KB up to the gradients of the network.
///
/// Bandwidth is the buffer's bytes a second. One rank has nothing to sum, so it has none.
enum AllReduceBenchmark {
  /// The smallest buffer.
  private static let smallestByteCount = 4096

  /// Measures sums; the report counts on rank 0 only, its seconds are those of the largest buffer.
  static func run(
    _ setting: BenchmarkSetting, _ communicator: any Communicator
  ) throws -> BenchmarkReport {
    let measurement = BenchmarkMeasurement(communicator)
    // Zeros, so that sums of sums stay finite.
    let buffer = FloatBuffer(count: setting.network.layout.count)
    defer { withExtendedLifetime(buffer) {} }
    var table = TextTable(["bytes", "median s", "GB/s"])
    var sizes: [JSONValue] = []
    var seconds: [Double] = []
    for byteCount in byteCounts(gradients: 4 * buffer.count) {
      let part = UnsafeMutableBufferPointer(rebasing: buffer.floats[..<(byteCount / 4)])
      let own = try measurement.repetitions(setting) {
        [try measurement.seconds { try communicator.allReduceSum(part) }]
      }
      seconds = try measurement.largest(own).map { $0[0] }
      let bandwidth = communicator.size > 1 ? Double(byteCount) / median(seconds) : nil
      table.add([
        byteCount.grouped, median(seconds).decimals(6),
        bandwidth.map { ($0 / 1e9).decimals(2) } ?? "-",
      ])
      sizes.append([
        "bytes": .integer(byteCount), "median_seconds": .number(median(seconds)),
        "seconds": .list(seconds.map { .number($0) }),
        "bytes_per_second": bandwidth.map { .number($0) } ?? .null,
      ])
    }
    var report = BenchmarkReport(
      name: "allreduce", setting: setting, ranks: communicator.size, seconds: seconds,
      multiplyAdds: 0, peakByteCount: try measurement.peakByteCount())
    report.details = [("sizes", .list(sizes))]
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
