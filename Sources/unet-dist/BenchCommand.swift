// `unet-dist bench`: how long things take on this machine.

import ArgumentParser
import Communication
import Evaluation
import Training

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures training steps, inference, kernels and sums.",
    discussion: """
      Seconds are those of the slowest rank. GFLOP are those of the direct convolution algorithm \
      over all ranks, two for each multiply-add.
      """,
    subcommands: [Step.self, Inference.self, Kernels.self, AllReduce.self, Scaling.self])

  struct Step: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "A training step: forward, loss, backward, reduction, update.",
      discussion: "Its GFLOP are three times those of the forward pass.")
    @OptionGroup var options: BenchmarkOptions
    @OptionGroup var exchange: ExchangeOptions
    func run() throws {
      try runBenchmark(options) { setting, communicator in
        try StepBenchmark.run(
          setting, try exchange.setting(threads: setting.threads, communicator), communicator)
      }
    }
  }

  struct Inference: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "The forward pass of tiles, from image to class scores, or of a whole image.",
      discussion: """
        With --accuracy also the error of the scores in float32: the same network, with the \
        weights that training begins with, sees one tile of synthetic cells, normalised as in \
        training, in float32 and in float64. With e the differences of the scores before the \
        softmax, over all pixels and classes of the output, and R the root mean square of the \
        float64 scores, largest_relative_error is max |e| / R and rms_relative_error is the root \
        mean square of e, divided by R.
        """)
    @OptionGroup var options: BenchmarkOptions

    @Option(
      help: """
        Instead of tiles, predict whole square images of this side, with mirrored borders: by the \
        tiles of least work, as predict does, or by those of --tile.
        """)
    var imageSize: Int?

    @Flag(help: "Also compare the scores of one tile with those of a float64 forward pass.")
    var accuracy = false

    func validate() throws {
      if let imageSize, !(1...16384).contains(imageSize) {
        throw ValidationError("--image-size: expected 1...16384, found \(imageSize)")
      }
      if imageSize != nil && accuracy {
        throw ValidationError("--accuracy: it is that of one tile; leave --image-size out")
      }
    }

    func run() throws {
      try runBenchmark(options) { setting, communicator in
        if let imageSize {
          return try InferenceBenchmark.runWholeImages(
            side: imageSize, tile: options.architecture.tile == nil ? nil : setting.tile, setting,
            communicator)
        }
        var report = try InferenceBenchmark.run(setting, communicator)
        if accuracy {
          try communicator.together {
            if communicator.rank == 0 { try InferenceAccuracy(setting).add(to: &report) }
          }
        }
        return report
      }
    }
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
    @OptionGroup var exchange: ExchangeOptions
    func run() throws {
      try runBenchmark(options) { setting, communicator in
        try AllReduceBenchmark.run(
          setting, try exchange.setting(threads: setting.threads, communicator), communicator)
      }
    }
  }

  struct Scaling: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Training steps over one batch by several numbers of ranks.",
      discussion: "Starts mpirun itself, so it is not to be started by mpirun.")

    @Option(help: "Numbers of ranks, the first of which the others are compared with.")
    var ranks = "1,2,4,8"

    @Option(help: "Samples of a step over all ranks (default: the largest number of ranks).")
    var globalBatch: Int?

    @Option(help: "The program that starts ranks.") var launcher = "mpirun"

    @OptionGroup var options: BenchmarkOptions
    @OptionGroup var exchange: ExchangeOptions

    func run() throws {
      try runCommand { communicator in
        guard communicator.size == 1 else {
          throw ConfigurationError(
            option: "ranks", expected: "one process that starts the ranks itself",
            found: "\(communicator.size) ranks", hint: "start it without mpirun")
        }
        // Checked here too, so that a mistake is not told by each number of ranks.
        let setting = try options.setting(for: communicator)
        _ = try exchange.setting(threads: setting.threads, communicator)
        let items = ranks.split(separator: ",", omittingEmptySubsequences: false)
        let counts = items.compactMap { Int($0) }
        guard counts.count == items.count, let largest = counts.max() else {
          throw ConfigurationError(
            option: "ranks", expected: "numbers as in 1,2,4", found: "\"\(ranks)\"")
        }
        let benchmark = ScalingBenchmark(
          ranks: counts, globalBatch: globalBatch ?? largest, threads: options.threads,
          arguments: options.arguments + exchange.arguments, launcher: launcher)
        try benchmark.validate()
        let results = try benchmark.run()
        printText(options.json ? benchmark.json(results).json + "\n" : benchmark.text(results))
      }
    }
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
