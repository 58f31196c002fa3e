// The benchmark of the division of a step among threads.

package import Communication
package import Files
import Kernels
import Network
import Tensors
import Threading
import Training

/// Measures the loops of a step on one thread, cut as many threads have them, and predicts the step on up to 128.
package struct ThreadModelBenchmark {
  /// The loops of the measured steps, each item at its fastest, cut for one thread.
  package let model: ThreadModel
  /// The same cut for each of ``threads``, in their order.
  package let cut: [ThreadModel]
  /// The step on one thread, as the clock says.
  package let measuredSeconds: Double

  /// The numbers of threads that are modelled.
  package static let threads = [2, 4, 8, 16, 32, 64, 128]

  /// Measures steps of one process.
  package init(_ setting: BenchmarkSetting, _ communicator: any Communicator) throws {
    let loopSeconds = Self.loopSeconds()
    let one = try Self.record(setting, parallelism: 1, communicator)
    measuredSeconds = one.seconds
    model = ThreadModel(loops: one.loops, loopSeconds: loopSeconds)
    cut = try Self.threads.map {
      ThreadModel(
        loops: try Self.record(setting, parallelism: $0, communicator).loops,
        loopSeconds: loopSeconds)
    }
  }

  /// The loops of steps as so many threads have them cut, each item at its fastest, and a step's seconds.
  private static func record(
    _ setting: BenchmarkSetting, parallelism: Int, _ communicator: any Communicator
  ) throws -> (loops: [LoopRecorder.Loop], seconds: Double) {
    let recorder = LoopRecorder()
    let team = ThreadTeam(recording: recorder, parallelism: parallelism)
    let layout = setting.network.layout
    let reducer = GradientReducer(
      communicator: communicator, buckets: GradientBuckets(elementCount: layout.count),
      reduction: .tree, compression: .none, overlap: .off, isSharded: false)
    let step = try TrainingStep(
      network: setting.network,
      optimizer: try Optimizer(
        kind: .sgd, momentum: 0.99, weightDecay: 0, layout: layout,
        chunks: reducer.owned(by: communicator.rank)),
      tile: setting.tile, globalBatch: setting.batch, loss: SoftmaxCrossEntropy(), clipNorm: 0,
      seed: 0, reducer: reducer, communicator: communicator, team: team)
    setting.network.initialize(step.parameters.base, seed: 0, on: team)
    let batch = try setting.madeUpBatch(rank: 0, ranks: 1)
    let measurement = BenchmarkMeasurement(communicator)
    var recorded: [[LoopRecorder.Loop]] = []
    let seconds = try measurement.repetitions(setting) {
      _ = recorder.take()
      let seconds = try measurement.seconds { _ = try step.run(batch, rate: 1e-5) }
      recorded.append(recorder.take())
      return [seconds]
    }
    return (least(of: recorded.suffix(setting.repetitions)), median(seconds.map { $0[0] }))
  }

  /// Seconds of a step on `threads` threads, or of one part of it; those of one where they are none of ``threads``.
  private func seconds(threads: Int, part: String? = nil) -> Double {
    let model = Self.threads.firstIndex(of: threads).map { cut[$0] } ?? model
    return model.seconds(threads: threads, part: part)
  }

  /// The share of `threads` times the speed of one that they have.
  private func efficiency(threads: Int) -> Double {
    model.seconds(threads: 1) / (Double(threads) * seconds(threads: threads))
  }

  /// The least of each time over repetitions of the same loops: others are longer by what else the machine did.
  private static func least(of runs: some Collection<[LoopRecorder.Loop]>) -> [LoopRecorder.Loop] {
    guard let first = runs.first else { return [] }
    return first.indices.map { index in
      LoopRecorder.Loop(
        part: first[index].part,
        secondsBefore: runs.map { $0[index].secondsBefore }.min() ?? 0,
        itemSeconds: first[index].itemSeconds.indices.map { item in
          runs.map { $0[index].itemSeconds[item] }.min() ?? 0
        })
    }
  }

  /// Seconds that a loop of two items takes beyond one of them: to wake the other thread, and to hear of it.
  ///
  /// Items of 20 microseconds, so that there is one for either.
  private static func loopSeconds() -> Double {
    let team = ThreadTeam(count: 2)
    let clock = ContinuousClock()
    let item = Duration.microseconds(20)
    let rounds = (0..<21).map { _ in
      let start = clock.now
      for _ in 0..<100 {
        team.forEach(2, (clock, item)) { context, _, _ in
          let end = context.0.now + context.1
          while context.0.now < end {}
        }
      }
      return (clock.now - start) / .seconds(100) - item / .seconds(1)
    }
    return max(0, median(rounds))
  }

  // MARK: Reports

  /// The model as JSON.
  package var json: JSONValue {
    let one = model.seconds(threads: 1)
    func speedUps(_ part: String?) -> JSONValue {
      let own = model.seconds(threads: 1, part: part)
      return .object(
        Self.threads.map { ("\($0)", .number(own / seconds(threads: $0, part: part))) })
    }
    return [
      "benchmark": "thread-model", "is_model": .boolean(true),
      "step_seconds": .number(measuredSeconds), "recorded_seconds": .number(one),
      "loops": .integer(model.loops.count), "loop_seconds": .number(model.loopSeconds),
      "serial_seconds": .number(model.serialSeconds), "speed_up": speedUps(nil),
      "efficiency": .object(
        Self.threads.map { ("\($0)", .number(efficiency(threads: $0))) }),
      "parts": .list(
        model.parts.map { part in
          [
            "part": .text(part), "seconds": .number(model.seconds(threads: 1, part: part)),
            "speed_up": speedUps(part),
          ]
        }),
    ]
  }

  /// The model for people.
  package var text: String {
    let one = model.seconds(threads: 1)
    var table = TextTable(["part", "1 thread", "share"] + Self.threads.map { "\($0)" })
    func row(_ name: String, _ part: String?) -> [String] {
      let own = model.seconds(threads: 1, part: part)
      return [name, "\((1e3 * own).decimals(1)) ms", "\((100 * own / one).decimals(1)) %"]
        + Self.threads.map { (own / seconds(threads: $0, part: part)).decimals(1) }
    }
    for part in model.parts { table.add(row(part, part)) }
    table.add(row("step", nil))
    table.add(
      ["efficiency", "", ""]
        + Self.threads.map { "\((100 * efficiency(threads: $0)).decimals(0)) %" })
    return """
      A model: speed-up by threads, of a step of \(measuredSeconds.decimals(4)) s on one, with loops cut \
      as so many threads have them. Memory bandwidth, shared caches and clocks are not in it.

      \(table.text)
      \(model.loops.count) loops; \((1e3 * model.serialSeconds).decimals(2)) ms between them; \
      to begin and end a loop takes \((1e6 * model.loopSeconds).decimals(1)) us on 2 threads, \
      and as much more for each doubling.

      """
  }
}
