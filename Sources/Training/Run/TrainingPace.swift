// How fast a run trains on this machine, measured before it begins, and the plan that fits a time.

import Communication
import Configuration
import Datasets
import Files
import Kernels
import Network
import Tensors

/// The seconds of steps and evaluations, as rank 0 has measured them.
struct TrainingPace {
  let secondsAStep: Double
  let secondsAnEvaluation: Double

  /// Steps that are not counted, since memory is touched for the first time, and steps that are.
  private static let (warmup, counted) = (2, 5)

  /// Measures steps of the plan and an evaluation; collective.
  ///
  /// The parameters are others afterwards, and the optimiser's state is empty again. All ranks have
  /// the same numbers.
  init(_ plan: RunPlan, _ step: TrainingStep, _ communicator: any Communicator) throws {
    plan.network.initialize(step.parameters.base, seed: plan.configuration.seed, on: plan.team)
    let loader = plan.loader(communicator, startStep: 0)
    defer { loader.close() }
    let clock = ContinuousClock()
    var seconds: [Double] = []
    for _ in 0..<Self.warmup + Self.counted {
      let start = clock.now
      let batch = try communicator.together { try loader.next() }
      // A rate of 0 moves no weight; running averages are set again with the weights.
      _ = try step.run(batch, rate: 0)
      seconds.append((clock.now - start) / .seconds(1))
    }
    let start = clock.now
    if !plan.data.validationIDs.isEmpty {
      _ = try EvaluationMemory(plan, step, communicator).score(plan.data, communicator)
    }
    step.optimizer.clear()
    let own = [
      seconds.suffix(Self.counted).sorted()[Self.counted / 2], (clock.now - start) / .seconds(1),
    ]
    // As whole nanoseconds, so that all ranks have the numbers of the first one to the last digit.
    let first = try communicator.allgatherv(own.map { Int($0 * 1e9) })[0]
    secondsAStep = Double(max(1, first[0])) / 1e9
    secondsAnEvaluation = Double(first[1]) / 1e9
  }

  /// The steps that there is room for in so many seconds, with the evaluations of a run: one every
  /// `interval` steps, or where that is nil as many as a plan has, and one more.
  func steps(in seconds: Double, evaluationsEvery interval: Int?) -> Int {
    let evaluations = Double(1 + (interval == nil ? AutomaticPlan.evaluations : 0))
    let share = interval.map { $0 > 0 ? secondsAnEvaluation / Double($0) : 0 } ?? 0
    let steps = (seconds - evaluations * secondsAnEvaluation) / (secondsAStep + share)
    return Int(min(max(Double(AutomaticPlan.evaluations), steps), Self.mostSteps))
  }

  /// Steps beyond which nobody counts.
  private static let mostSteps = 1e9
}

/// The plan that fits into the minutes of a run, of the networks that a preset may choose.
struct FittingPlan {
  let plan: RunPlan
  let step: TrainingStep

  /// Measures `first`, then wider networks while the time has room for the steps that the images
  /// want, and gives the last that fits its steps; collective.
  ///
  /// Of the minutes what has gone since `began` is gone.
  init(
    _ asked: TrainingConfiguration, first: (plan: RunPlan, step: TrainingStep), minutes: Double,
    since began: ContinuousClock.Instant, display: RunDisplay, communicator: any Communicator
  ) throws {
    /// Seconds that are left, as rank 0 sees it.
    func left() throws -> Double {
      let gone = (ContinuousClock().now - began) / .seconds(1)
      return 60 * minutes - Double(try communicator.allgatherv([Int(gone * 1e9)])[0][0]) / 1e9
    }
    let wanted = first.plan.totalSteps
    let interval =
      asked.preset == .paper || asked.provenance.given.contains("evaluate-every")
      ? asked.evaluateEvery : nil
    func steps(at pace: TrainingPace) throws -> Int {
      pace.steps(in: try left(), evaluationsEvery: interval)
    }
    var asked = asked.withoutMinutes
    var (plan, step) = first
    var pace = try TrainingPace(plan, step, communicator)
    var count = try steps(at: pace)
    while let wider = asked.widened(from: plan.configuration),
      // Twice the channels are three to four times the work.
      count >= 3 * wanted,
      try communicator.allReduceSum([
        plan.fits(wider, rank: communicator.rank, ranks: communicator.size) ? 0 : Int64(1)
      ]) == [0]
    {
      let widerPlan = try RunPlan(
        wider, display: display, communicator: communicator, after: plan)
      let widerStep = try widerPlan.step(display, communicator)
      let widerPace = try TrainingPace(widerPlan, widerStep, communicator)
      let fitting = try steps(at: widerPace)
      guard fitting >= wanted else { break }
      (asked, plan, step, pace, count) = (wider, widerPlan, widerStep, widerPace, fitting)
    }
    if try left() < Double(count) * pace.secondsAStep, communicator.rank == 0 {
      display.warn(
        "\(minutes.minutesText) are too short for this network: \(count) steps of "
          + "\(pace.secondsAStep.decimals(2)) s take longer; give more --minutes, or fewer --base-channels"
      )
    }
    let measured = String(Int((pace.secondsAStep * 1000).rounded()))
    let reason = "\(minutes.minutesText) on this machine, where a step took \(measured) ms"
    self.plan = try RunPlan(
      asked.lasting(steps: count, reason: reason), display: display, communicator: communicator,
      after: plan)
    self.step = step
  }
}

extension Double {
  fileprivate var minutesText: String {
    let text = self == rounded() ? "\(Int(self))" : "\(self)"
    return self == 1 ? "1 minute" : "\(text) minutes"
  }
}
