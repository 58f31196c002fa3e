// The benchmark of a training step by several numbers of ranks, which it starts itself.

package import Configuration
package import Files
import Foundation

/// Steps over one global batch by each number of ranks, every one a run of `bench step` by mpirun.
///
/// The batch stays the same (strong scaling). Efficiency is the time of the first number of ranks
/// over the time of another, times the ratio of the cores that they use: ranks times threads, but not
/// more than this machine has.
package struct ScalingBenchmark {
  /// The numbers of ranks, each a divisor of the batch.
  package let ranks: [Int]
  /// Samples of a step over all ranks.
  package let globalBatch: Int
  /// Threads of a rank; nil divides the cores among the ranks.
  package let threads: Int?
  /// Further arguments of `bench step`.
  package let arguments: [String]
  /// The launcher, as a name on the path or as a path, and its options.
  package let launcher: [String]

  /// A benchmark from its parts.
  package init(
    ranks: [Int], globalBatch: Int, threads: Int?, arguments: [String], launcher: [String]
  ) {
    self.ranks = ranks
    self.globalBatch = globalBatch
    self.threads = threads
    self.arguments = arguments
    self.launcher = launcher
  }

  /// What one number of ranks measured.
  package struct Result {
    package let ranks: Int
    package let threads: Int
    /// The object that `bench step --json` printed.
    package let report: [String: Any]

    package var seconds: Double { report["median_seconds"] as? Double ?? .nan }
    package func part(_ name: String) -> Double {
      (report["median_part_seconds"] as? [String: Double])?[name] ?? .nan
    }
  }

  /// Checks that the batch is partitioned evenly over every number of ranks.
  package func validate() throws(ConfigurationError) {
    for count in ranks where count < 1 || count > 4096 || !globalBatch.isMultiple(of: count) {
      throw ConfigurationError(
        option: "ranks", expected: "divisors of the global batch \(globalBatch)", found: "\(count)",
        hint: "give a --global-batch that every number of ranks divides")
    }
    guard !ranks.isEmpty else {
      throw ConfigurationError(option: "ranks", expected: "numbers as in 1,2,4", found: "none")
    }
  }

  /// Runs one number of ranks after the other.
  package func run() throws -> [Result] { try ranks.map(measure) }

  private var cores: Int { ProcessInfo.processInfo.activeProcessorCount }

  private func measure(_ count: Int) throws -> Result {
    let threads = threads ?? max(1, cores / count)
    let step =
      ["bench", "step", "--json", "--batch", "\(globalBatch / count)", "--threads", "\(threads)"]
      + arguments
    let program = ProcessInfo.processInfo.arguments[0]
    let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let launch =
      count == 1
      ? [] : [launcher[0], "-np", "\(count)"] + launcher.dropFirst()
    let command = launch + [path ?? program] + step

    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    var environment = ProcessInfo.processInfo.environment
    // Open MPI refuses to run as root unless told twice, and containers mostly run as root.
    environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
    environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    process.environment = environment
    let output = Pipe()
    process.standardOutput = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0,
      let report = try? JSONSerialization.jsonObject(with: bytes) as? [String: Any]
    else {
      throw ScalingFailure(
        command: command.joined(separator: " "), status: process.terminationStatus)
    }
    return Result(ranks: count, threads: threads, report: report)
  }

  // MARK: Reports

  /// How well `result` uses its cores beside `first`; 1 is as well.
  private func efficiency(_ result: Result, beside first: Result) -> Double {
    func used(_ result: Result) -> Double { Double(min(cores, result.ranks * result.threads)) }
    return first.seconds * used(first) / (result.seconds * used(result))
  }

  /// The results as JSON.
  package func json(_ results: [Result]) -> JSONValue {
    let rows = results.map { result -> JSONValue in
      [
        "ranks": .integer(result.ranks), "threads": .integer(result.threads),
        "median_seconds": .number(result.seconds),
        "images_per_second": .number(Double(globalBatch) / result.seconds),
        "efficiency": .number(efficiency(result, beside: results[0])),
        "reduce_seconds": .number(result.part("reduce")),
        "update_seconds": .number(result.part("update")),
        "sent_bytes": .integer(result.report["sent_bytes"] as? Int ?? 0),
        "peak_rss_bytes": .integer(result.report["peak_rss_bytes"] as? Int ?? 0),
        "slowest_rank": (result.report["slowest_rank"] as? Int).map { .integer($0) } ?? .null,
      ]
    }
    return [
      "benchmark": "scaling", "global_batch": .integer(globalBatch), "cores": .integer(cores),
      "results": .list(rows),
    ]
  }

  /// The results for people.
  package func text(_ results: [Result]) -> String {
    var table = TextTable(
      ["ranks", "threads", "s a step", "images/s", "efficiency", "exchange s", "update s"])
    for result in results {
      table.add([
        "\(result.ranks)", "\(result.threads)", result.seconds.decimals(4),
        (Double(globalBatch) / result.seconds).decimals(2),
        "\((100 * efficiency(result, beside: results[0])).decimals(1)) %",
        result.part("reduce").decimals(4), result.part("update").decimals(4),
      ])
    }
    return "global batch \(globalBatch) on \(cores) cores\n" + table.text
  }
}

/// A run of one number of ranks that did not end well.
package struct ScalingFailure: Error, CustomStringConvertible {
  package let command: String
  package let status: Int32

  package var description: String {
    status == 127
      ? "\(command): no such program; install Open MPI or name its launcher by --launcher"
      : "\(command) ended with status \(status); its own message is above"
  }
}

extension BenchmarkOptions {
  /// The options, without those of one run, as arguments for another run of this program.
  package var arguments: [String] {
    architecture.arguments + ["--repetitions", "\(repetitions)", "--warmup", "\(warmup)"]
  }
}
