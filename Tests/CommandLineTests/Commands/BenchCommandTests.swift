// `unet-dist bench` as a user or another program starts it.

import Foundation
import TestSupport
import Testing

@Suite struct BenchCommandTests {
  static let tiny = [
    "--base-channels", "4", "--depth", "2", "--tile", "60", "--repetitions", "2", "--threads", "1",
    "--json",
  ]
  /// Multiply-adds of the tiny network's forward pass, in 10^9 operations, two each.
  static let forwardWork = 0.004151072

  @Test(arguments: ["step", "inference", "kernels", "allreduce"])
  func printsOneObject(_ benchmark: String) throws {
    let run = try ProgramRun(
      ProgramRun.builtProgram(named: "unet-dist"), arguments: ["bench", benchmark] + Self.tiny)
    let object = try run.jsonObject()
    #expect(object["benchmark"] as? String == benchmark)
    #expect((object["seconds"] as? [Double])?.count == 2, "\(run)")
    #expect(object["ranks"] as? Int == 1)
    #expect(object["threads"] as? Int == 1)
    #expect((object["peak_rss_bytes"] as? Int ?? 0) > 1_000_000, "\(run)")
    // One rank sums nothing, which may take less than the clock can tell.
    let least = benchmark == "allreduce" ? 0 : 1e-9
    #expect((object["median_seconds"] as? Double ?? -1) >= least, "\(run)")
    #expect(object["gflops_effective"] is Double, "\(run)")
    #expect((object["blas_kernels"] as? String)?.isEmpty == false, "\(run)")
  }

  @Test func kernelsNameAlgorithmSpeedAndShareOfEachFunction() throws {
    let run = try ProgramRun(
      ProgramRun.builtProgram(named: "unet-dist"), arguments: ["bench", "kernels"] + Self.tiny)
    let layers = try #require(try run.jsonObject()["layers"] as? [[String: Any]], "\(run)")
    var share = 0.0
    for layer in layers {
      for function in ["forward", "input_gradient", "weight_gradient"] {
        share += layer["\(function)_share"] as? Double ?? 0
        guard layer["gflop_direct"] as? Double ?? 0 > 0,
          let seconds = layer["\(function)_seconds"] as? Double
        else { continue }
        #expect(seconds > 0)
        #expect(layer["\(function)_gflops"] is Double, "\(layer)")
        #expect(
          ["patches", "direct", "winograd", "doubling"].contains(
            layer["\(function)_algorithm"] as? String ?? ""), "\(layer)")
      }
    }
    #expect(abs(share - 1) < 1e-9, "\(run)")
  }

  @Test func aStepIsThreeForwardPasses() throws {
    let run = try ProgramRun(
      ProgramRun.builtProgram(named: "unet-dist"), arguments: ["bench", "step"] + Self.tiny)
    let work = try #require(try run.jsonObject()["gflop_direct"] as? Double)
    #expect(abs(work - 3 * Self.forwardWork) < 1e-9, "\(run)")
  }

  @Test(arguments: ["auto", "off"]) func aStepTellsHowMuchOfItsExchangeIsHidden(
    _ overlap: String
  ) throws {
    let run = try ProgramRun.unetDist(
      ranks: 2, ["bench", "step", "--hidden", "--overlap", overlap] + Self.tiny)
    let object = try run.jsonObject()
    let exchange = try #require(object["exchange"] as? [String: Double], "\(run)")
    // The reference computes and then exchanges, on every rank.
    #expect(exchange["alone_seconds"] ?? 0 > 0, "\(run)")
    #expect(exchange["backward_alone_seconds"] ?? 0 > 0, "\(run)")
    let exposed = try #require(exchange["exposed_seconds"], "\(run)")
    let share = try #require(exchange["exposed_share"], "\(run)")
    // What is computed is part of every step.
    let longest = (object["seconds"] as? [Double])?.max() ?? 0
    #expect(exposed < longest && share < 1, "\(run)")
  }

  @Test func oneProcessHasNoExchangeToHide() throws {
    let run = try ProgramRun(
      ProgramRun.builtProgram(named: "unet-dist"),
      arguments: ["bench", "step", "--hidden"] + Self.tiny)
    run.expectOneError(naming: ["--hidden", "two ranks or more"])
  }

  @Test(arguments: [1, 2]) func theErrorOfTheScoresIsThatOfRounding(_ ranks: Int) throws {
    let run = try ProgramRun.unetDist(
      ranks: ranks, ["bench", "inference", "--accuracy"] + Self.tiny)
    let object = try run.jsonObject()
    let largest = try #require(object["largest_relative_error"] as? Double, "\(run)")
    let mean = try #require(object["rms_relative_error"] as? Double, "\(run)")
    #expect(mean > 0 && mean < largest && largest < 1e-4, "\(run)")
    #expect(object["seconds"] is [Double] && object["ranks"] as? Int == ranks, "\(run)")
  }

  @Test func aWholeImageIsPredictedByItsBestTiles() throws {
    // A window of 80 needs an output of 83, hence a tile of 124; square ones of 60 have windows of 16.
    for (options, tile, tiles) in [([String](), 124, 1), (["--tile", "60"], 60, 25)] {
      let run = try ProgramRun.unetDist(
        ranks: 1,
        [
          "bench", "inference", "--image-size", "80", "--base-channels", "4", "--depth", "2",
          "--repetitions", "1", "--json",
        ] + options)
      let object = try run.jsonObject()
      let configuration = try #require(object["configuration"] as? [String: Any], "\(run)")
      #expect(configuration["image_size"] as? Int == 80)
      #expect(configuration["tile_height"] as? Int == tile, "\(run)")
      #expect(configuration["tile_width"] as? Int == tile, "\(run)")
      #expect(configuration["tiles"] as? Int == tiles, "\(run)")
      #expect(configuration["tile"] == nil)
      #expect((object["median_seconds"] as? Double ?? 0) > 0, "\(run)")
    }
  }

  @Test func anImageHasNoAccuracyOfItsOwn() throws {
    let run = try ProgramRun.unetDist(
      ranks: 1, ["bench", "inference", "--image-size", "80", "--accuracy"])
    run.expectOneError(naming: ["--accuracy", "--image-size"])
  }

  @Test func twoRanksStepTogether() throws {
    let run = try ProgramRun.mpirun(
      ranks: 2, program: ProgramRun.builtProgram(named: "unet-dist"),
      arguments: ["bench", "step", "--batch", "2"] + Self.tiny)
    let object = try run.jsonObject()
    #expect(object["ranks"] as? Int == 2)
    #expect(object["global_batch"] as? Int == 4)
    let work = try #require(object["gflop_direct"] as? Double)
    #expect(abs(work - 12 * Self.forwardWork) < 1e-9, "\(run)")
    let parts = try #require(object["median_part_seconds"] as? [String: Double])
    #expect(parts.keys.sorted() == ["backward", "forward", "reduce", "update"])
    #expect(parts.values.allSatisfy { $0 >= 0 && $0 < 60 }, "\(run)")
  }

  @Test func sumsOfAllSizesByTreeAndLibrary() throws {
    let run = try ProgramRun.mpirun(
      ranks: 3, program: ProgramRun.builtProgram(named: "unet-dist"),
      arguments: ["bench", "allreduce"] + Self.tiny)
    let object = try run.jsonObject()
    let sizes = try #require(object["sizes"] as? [[String: Any]])
    let bytes = sizes.compactMap { $0["bytes"] as? Int }
    #expect(bytes.first == 4096 && bytes == bytes.sorted() && bytes.count == sizes.count, "\(run)")
    for size in sizes {
      #expect((size["median_seconds"] as? Double ?? 0) > 0, "\(size)")
      #expect((size["library_median_seconds"] as? Double ?? 0) > 0, "\(size)")
      #expect((size["bytes_per_second"] as? Double ?? 0) > 0, "\(size)")
    }
    let (largest, sent) = (bytes.last ?? 0, sizes.last?["sent_bytes"] as? Int ?? 0)
    // One sample a rank: 2 n (p - 1) / p.
    #expect(abs(Double(sent) - Double(largest) * 4 / 3) < 0.02 * Double(largest), "\(run)")
  }

  @Test func scalingRunsEveryNumberOfRanks() throws {
    let run = try ProgramRun(
      ProgramRun.builtProgram(named: "unet-dist"),
      arguments: [
        "bench", "scaling", "--ranks", "1,2,3", "--global-batch", "6", "--launcher",
        MPILauncher.command,
      ] + Self.tiny,
      timeLimit: 120)
    let object = try run.jsonObject()
    let results = try #require(object["results"] as? [[String: Any]])
    #expect(results.compactMap { $0["ranks"] as? Int } == [1, 2, 3])
    #expect(results.first?["efficiency"] as? Double == 1)
    for result in results {
      #expect((result["median_seconds"] as? Double ?? 0) > 0, "\(run)")
      #expect((result["efficiency"] as? Double ?? 0) > 0, "\(run)")
      let isAlone = result["ranks"] as? Int == 1
      #expect((result["sent_bytes"] as? Int == 0) == isAlone, "\(run)")
    }
  }

  @Test(arguments: [1, 2, 3]) func scalingModelPredictsManyRanks(_ ranks: Int) throws {
    let given = ranks == 1 ? ["--latency-us", "20", "--gbit-per-second", "10"] : []
    let run = try ProgramRun.unetDist(
      ranks: ranks, ["bench", "scaling", "--model"] + given + Self.tiny)
    let object = try run.jsonObject()
    #expect(object["is_model"] as? Bool == true)
    let network = try #require(object["network"] as? [String: Any])
    #expect(network["is_measured"] as? Bool == (ranks > 1))
    let bandwidth = try #require(network["bytes_per_second"] as? Double)
    #expect(ranks == 1 ? abs(bandwidth - 1.25e9) < 1 : bandwidth > 1e6, "\(run)")
    let computation = try #require(object["computation"] as? [String: Double])
    let alone = ["before_seconds", "backward_seconds", "update_seconds"]
      .reduce(0) { $0 + (computation[$1] ?? .nan) }
    let predictions = try #require(object["predictions"] as? [[String: Any]])
    #expect(predictions.compactMap { $0["ranks"] as? Int } == (0...12).map { 1 << $0 })
    let seconds = predictions.compactMap { $0["step_seconds"] as? Double }
    #expect(abs(seconds[0] - alone) < 1e-9, "\(run)")
    #expect(zip(seconds, seconds.dropFirst()).allSatisfy { $0 <= $1 + 1e-9 }, "\(run)")
    let here = object["here"] as? [String: Any]
    #expect(here?["ranks"] as? Int == (ranks > 1 ? ranks : nil), "\(run)")
  }

  @Test(arguments: [
    (["--model"], "two ranks or more"),
    (["--latency-us", "1"], "--latency-us and --gbit-per-second with --model"),
    (["--model", "--latency-us", "1"], "--latency-us and --gbit-per-second with --model"),
    (["--model", "--latency-us", "1", "--gbit-per-second", "0"], "0.001 to 100000"),
    (["--model", "--latency-us", "2e6", "--gbit-per-second", "1"], "0 to 1000000"),
    (["--model", "--compression", "bf16"], "uncompressed"),
    (["--ranks", "1,2", "--global-batch", "3"], "divisors of the global batch 3"),
    (["--ranks", "1,,2"], "numbers from 1 to 4096"), (["--ranks", "0"], "numbers from 1 to 4096"),
    (["--launcher", "no-such-launcher", "--ranks", "2"], "no such program"),
    (["--reduction", "fast", "--shard-optimizer"], "--reduction tree"),
  ])
  func scalingRefuses(_ options: [String], _ message: String) throws {
    let run = try ProgramRun(
      ProgramRun.builtProgram(named: "unet-dist"),
      arguments: ["bench", "scaling"] + options + Self.tiny, timeLimit: 60)
    run.expectOneError(naming: [message])
  }

  @Test func ranksAgreeOnAWrongOption() throws {
    let run = try ProgramRun.mpirun(
      ranks: 2, program: ProgramRun.builtProgram(named: "unet-dist"),
      arguments: ["bench", "step", "--tile", "61"])
    #expect(!run.succeeded)
    #expect(!run.timedOut, "\(run)")
    #expect(run.standardError.components(separatedBy: "error: --tile").count == 2, "\(run)")
  }

  @Test(arguments: [1, 2]) func learningRatesAreTestedInRisingOrder(ranks: Int) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = [
        "bench", "learning-rate", "--json", "--from", "1e-5", "--to", "1e9", "--data",
        folder + "/data", "--output", folder + "/never", "--steps", "40", "--global-batch", "2",
      ]
      let run = try ProgramRun.unetDist(ranks: ranks, options + TinyTraining.network)
      let object = try run.jsonObject()
      let points = try #require(object["points"] as? [[String: Any]])
      let rates = points.compactMap { $0["rate"] as? Double }
      #expect(rates.count == points.count && rates == rates.sorted() && rates.first == 1e-5)
      #expect(points.count < 40, "a rate of 1e9 ends the test")
      let suggested = try #require(object["suggested_rate"] as? Double)
      #expect(rates.contains { abs($0 / 10 - suggested) < 1e-9 * suggested })
      #expect(!FileManager.default.fileExists(atPath: folder + "/never"))
      let wrong = try ProgramRun.unetDist(
        ranks: 1, ["bench", "learning-rate", "--from", "1", "--to", "0.1"])
      #expect(!wrong.succeeded && wrong.standardError.contains("above 0 and below --to"))
    }
  }

  @Test(arguments: [1, 2]) func loaderMakesTilesAndNothingElse(_ ranks: Int) throws {
    try withTemporaryFolder { folder in
      try TinyImages.squares(folder + "/data")
      let options = [
        "bench", "loader", "--tiles", "9", "--repetitions", "2", "--data", folder + "/data",
        "--output", folder + "/never", "--steps", "4", "--global-batch", "4",
      ]
      let run = try ProgramRun.unetDist(ranks: ranks, options + ["--json"] + TinyTraining.network)
      let object = try run.jsonObject()
      #expect(object.count == 3)
      for (name, values) in object {
        let values = try #require(values as? [Double])
        #expect(values.count == 2 && values.allSatisfy { $0 > 0 }, "\(name)")
      }
      let table = try ProgramRun.unetDist(ranks: ranks, options + TinyTraining.network)
      #expect(table.standardOutput.contains("as the run makes them"))
      #expect(!FileManager.default.fileExists(atPath: folder + "/never"))
      let wrong = try ProgramRun.unetDist(ranks: 1, ["bench", "loader", "--tiles", "0"])
      #expect(!wrong.succeeded && wrong.standardError.contains("a whole number from 1"))
    }
  }
}
