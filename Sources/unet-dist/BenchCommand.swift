// `unet-dist bench`: how long things take on this machine.

import ArgumentParser
import Communication
import Evaluation

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures training steps, inference, kernels and sums.",
    discussion: """
      Seconds are those of the slowest rank. GFLOP are those of the direct convolution algorithm \
      over all ranks, two for each multiply-add.
      """,
    subcommands: [Step.self, Inference.self, Kernels.self, AllReduce.self])

  struct Step: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "A training step: forward, loss, backward, reduction, update.",
      discussion: "Its GFLOP are three times those of the forward pass.")
    @OptionGroup var options: BenchmarkOptions
    func run() throws { try runBenchmark(options, StepBenchmark.run) }
  }

  struct Inference: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "The forward pass of tiles, from image to class scores.")
    @OptionGroup var options: BenchmarkOptions
    func run() throws { try runBenchmark(options, InferenceBenchmark.run) }
  }

  struct Kernels: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Each layer's kernels by themselves: forward and both gradients.")
    @OptionGroup var options: BenchmarkOptions
    func run() throws { try runBenchmark(options, KernelBenchmark.run) }
  }

  struct AllReduce: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "allreduce",
      abstract: "The sum over ranks, from 4 KB to the gradients of the network.")
    @OptionGroup var options: BenchmarkOptions
    func run() throws { try runBenchmark(options, AllReduceBenchmark.run) }
  }
}

/// Runs a benchmark on all ranks and prints its report on the first.
private func runBenchmark(
  _ options: BenchmarkOptions,
  _ benchmark: (BenchmarkSetting, any Communicator) throws -> BenchmarkReport
) throws {
  try runCommand { communicator in
    let setting = try options.setting(for: communicator)
    let report = try benchmark(setting, communicator)
    BenchmarkMeasurement(communicator).print(report, asJSON: options.json)
  }
}
