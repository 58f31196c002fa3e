// Measuring on all ranks at once.

package import Communication
import Files
import Foundation

/// The measurements of one benchmark on one rank.
package struct BenchmarkMeasurement {
  private let communicator: any Communicator
  private let clock = ContinuousClock()

  /// Measurements beside those of the other ranks.
  package init(_ communicator: any Communicator) { self.communicator = communicator }

  /// Seconds that `body` takes on this rank.
  package func seconds(of body: () throws -> Void) rethrows -> Double {
    let start = clock.now
    try body()
    return (clock.now - start) / .seconds(1)
  }

  /// Runs `body` after the warm-up and returns what it measured in each repetition.
  ///
  /// The ranks begin every repetition together.
  package func repetitions(
    _ setting: BenchmarkSetting, _ body: () throws -> [Double]
  ) throws -> [[Double]] {
    var measured: [[Double]] = []
    for repetition in 0..<setting.warmup + setting.repetitions {
      try communicator.barrier()
      let values = try body()
      if repetition >= setting.warmup { measured.append(values) }
    }
    return measured
  }

  /// Each value as the rank has it where it is largest; on rank 0 only.
  ///
  /// Collective. Seconds of a repetition become those of the slowest rank.
  package func largest(_ values: [[Double]]) throws -> [[Double]] {
    let all = try gathered(Array(values.joined()))
    let largest = all[0].indices.map { index in all.map { $0[index] }.max() ?? 0 }
    let width = values.first?.count ?? 0
    return values.indices.map { Array(largest[$0 * width..<($0 + 1) * width]) }
  }

  /// The values of every rank, on rank 0; on others their own only.
  ///
  /// Collective.
  package func gathered(_ values: [Double]) throws -> [[Double]] {
    let own = values.flatMap { value in
      withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
    }
    let all = try communicator.gatherv(own, to: 0).map { bytes in
      stride(from: 0, to: bytes.count, by: 8).map { start in
        Double(
          bitPattern: bytes[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) })
      }
    }
    return all.isEmpty ? [values] : all
  }

  /// The largest resident set of any rank so far, in bytes; on rank 0 only.
  ///
  /// Collective.
  package func peakByteCount() throws -> Int {
    Int(try largest([[Double(Self.peakByteCount)]])[0][0])
  }

  /// The largest resident set of this process so far, in bytes; 0 where Linux does not tell.
  ///
  /// Not by getrusage(2), which begins with what the launcher had.
  private static var peakByteCount: Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return (line?.split(whereSeparator: \.isWhitespace)).flatMap { Int($0[1]) }.map { $0 * 1024 }
      ?? 0
  }

  /// Prints the report on rank 0.
  package func print(_ report: BenchmarkReport, asJSON: Bool) throws {
    guard communicator.rank == 0 else { return }
    try printText(asJSON ? report.json.json + "\n" : report.text)
  }
}
