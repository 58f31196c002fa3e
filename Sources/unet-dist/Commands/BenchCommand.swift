// `unet-dist bench`: how long things take on this machine.

import ArgumentParser
import Benchmarks
import Communication
import Configuration
import Files
import Liveness
import MPICommunication

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures training steps, inference, kernels and sums.",
    discussion: """
      Seconds are those of the slowest rank. GFLOP are those of the direct convolution algorithm \
      over all ranks, two for each multiply-add.
      """,
    subcommands: [
      Step.self, Inference.self, Kernels.self, AllReduce.self, Loader.self, Scaling.self,
      Threads.self, LearningRate.self,
    ])

  struct Step: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "A training step: forward, loss, backward, reduction, update.",
      discussion: "Its GFLOP are three times those of the forward pass.")
    @OptionGroup var options: BenchmarkOptions
    @OptionGroup var exchange: ExchangeOptions

    @Flag(
      help: """
        Also measure how much of the exchange is hidden behind what is computed, by steps in turn \
        that exchange afterwards.
        """)
    var hidden = false

    func run() throws {
      try runBenchmark(options) { setting, communicator in
        guard !hidden || communicator.size > 1 else {
          throw ConfigurationError(
            option: "hidden", expected: "two ranks or more, which exchange something",
            found: "one process", hint: "start it by mpirun")
        }
        return try StepBenchmark.run(
          setting, try exchange.setting(threads: setting.threads, communicator),
          measuresHidden: hidden, communicator)
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
      try ValidationError.check("image-size", imageSize, in: 1...16384)
      if let imageSize, accuracy {
        throw ValidationError(
          "accuracy", expected: "tiles, of one of which it is", found: "--image-size \(imageSize)",
          hint: "leave one of them out")
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
      abstract: "Training steps over one batch by several numbers of ranks, or a model of more.",
      discussion: """
        Starts mpirun itself, so it is not to be started by mpirun. With --model it is: two ranks or \
        more, best one a host, measure what they compute and what the network between them does, and \
        a model predicts steps on up to 4,096 ranks with --batch tiles each. One process can model a \
        network that is given by --latency-us and --gbit-per-second.
        """)

    @Option(help: "Numbers of ranks, the first of which the others are compared with.")
    var ranks = "1,2,4,8"

    @Option(help: "Samples of a step over all ranks (default: the largest number of ranks).")
    var globalBatch: Int?

    @Option(help: "The program that starts ranks.") var launcher = "mpirun"

    @Flag(help: "Predict steps on up to 4,096 ranks from what is measured here.") var model = false

    @Option(
      help: ArgumentHelp(
        "With --model: the latency of a network that is not here, in microseconds.",
        valueName: "number"))
    var latencyUs: Double?

    @Option(
      help: ArgumentHelp("With --model: its bandwidth in each direction.", valueName: "number"))
    var gbitPerSecond: Double?

    @OptionGroup var options: BenchmarkOptions
    @OptionGroup var exchange: ExchangeOptions

    func validate() throws {
      guard (latencyUs == nil) == (gbitPerSecond == nil), model || latencyUs == nil else {
        let given = [
          latencyUs.map { _ in "--latency-us" }, gbitPerSecond.map { _ in "--gbit-per-second" },
        ]
        throw ValidationError(
          latencyUs == nil ? "gbit-per-second" : "latency-us",
          expected: "--latency-us and --gbit-per-second with --model",
          found: given.compactMap { $0 }.joined(separator: " and ")
            + (model ? "" : " without --model"),
          hint: "give all of them or none")
      }
      if let latencyUs, !(latencyUs >= 0 && latencyUs <= 1e6) {
        throw ValidationError(
          "latency-us", expected: "a number from 0 to 1000000", found: "\(latencyUs)")
      }
      if let gbitPerSecond, !(gbitPerSecond >= 1e-3 && gbitPerSecond <= 1e5) {
        throw ValidationError(
          "gbit-per-second", expected: "a number from 0.001 to 100000", found: "\(gbitPerSecond)")
      }
      try ValidationError.check("global-batch", globalBatch, in: 1...4_194_304)
      _ = try counts()
    }

    func run() throws { if model { try runModel() } else { try runRanks() } }

    /// The numbers of ranks that are asked for.
    private func counts() throws -> [Int] {
      let items = ranks.split(separator: ",", omittingEmptySubsequences: false)
      let counts = items.compactMap { Int($0) }.filter { 1...4096 ~= $0 }
      guard counts.count == items.count else {
        throw ValidationError(
          "ranks", expected: "numbers from 1 to 4096, with commas between", found: quoted(ranks))
      }
      return counts
    }

    private func runModel() throws {
      try runCommand { communicator in
        let setting = try options.setting(for: communicator)
        let resolved = try exchange.setting(threads: setting.threads, communicator)
        guard resolved.reduction == .tree, resolved.compression == .none, !exchange.shardOptimizer
        else {
          throw ConfigurationError(
            option: "model", expected: "the tree, uncompressed and not sharded",
            found: "another exchange")
        }
        let given = gbitPerSecond.map {
          ScalingModel.Network(
            latency: 1e-6 * (latencyUs ?? 0), secondsPerByte: 8e-9 / $0)
        }
        guard given != nil || communicator.size > 1 else {
          throw ConfigurationError(
            option: "model", expected: "two ranks or more, between which the network is measured",
            found: "one process",
            hint: "start it by mpirun -np 2, or give --latency-us and --gbit-per-second")
        }
        let benchmark = try ScalingModelBenchmark(
          setting,
          // One process has nothing to overlap; the ranks that it stands for do.
          overlap: communicator.size > 1 ? resolved.overlap : exchange.overlap, given: given,
          communicator)
        guard communicator.rank == 0 else { return }
        try printText(options.json ? benchmark.json.json + "\n" : benchmark.text)
      }
    }

    private func runRanks() throws {
      try runCommand { communicator in
        guard communicator.size == 1 else {
          throw ConfigurationError(
            option: "ranks", expected: "one process that starts the ranks itself",
            found: "\(communicator.size) ranks", hint: "start it without mpirun")
        }
        // The ranks that are waited for have watches of their own.
        StallWatch.shared.allow(0)
        // Checked here too, so that a mistake is not told by each number of ranks.
        let setting = try options.setting(for: communicator)
        _ = try exchange.setting(threads: setting.threads, communicator)
        let counts = try counts()
        let benchmark = ScalingBenchmark(
          ranks: counts, globalBatch: globalBatch ?? counts.max() ?? 1, threads: options.threads,
          arguments: options.arguments + exchange.arguments,
          launcher: [launcher] + MPICommunicator.unboundOptions)
        try benchmark.validate()
        let results = try benchmark.run()
        try printText(options.json ? benchmark.json(results).json + "\n" : benchmark.text(results))
      }
    }
  }
}

extension BenchCommand {
  struct Threads: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "A model of a step on up to 128 threads, from its loops on one.",
      discussion: """
        Each item of each loop is timed on one thread; then items are given to 2 to 128 threads in the \
        order in which they would be. Memory bandwidth is not in it.
        """)

    @Flag(help: "Needed, as what is printed was not measured.") var model = false
    @OptionGroup var options: BenchmarkOptions

    func validate() throws {
      guard model else {
        throw ValidationError(
          "model", expected: "to be given, as what is printed was not measured", found: "none",
          hint: "give it; threads that are here are measured by bench step")
      }
      if let threads = options.threads {
        throw ValidationError(
          "threads", expected: "none, as one is measured and up to 128 are modelled",
          found: "\(threads)",
          hint: "leave it out")
      }
    }

    func run() throws {
      try runCommandOnce {
        let communicator = SoloCommunicator()
        let benchmark = try ThreadModelBenchmark(
          options.setting(for: communicator), communicator)
        try printText(options.json ? benchmark.json.json + "\n" : benchmark.text)
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
    try BenchmarkMeasurement(communicator).print(report, asJSON: options.json)
  }
}
