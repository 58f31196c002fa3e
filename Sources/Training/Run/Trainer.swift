// A run of training on all ranks, from the first step to the last.

import Checkpoints
package import Communication
package import Configuration
import Datasets
import Files
import Foundation
import Inference
import Kernels
package import Liveness
import Logging
import Metrics
import Network
package import Tensors

/// Trains a network as a configuration says; every rank runs one.
///
/// Every rank holds a replica and its shard of each batch. Rank 0 alone writes: the run's folder,
/// its log, its checkpoints, and the terminal.
package final class Trainer {
  private let plan: RunPlan
  private let communicator: any Communicator
  private let step: TrainingStep
  private let replicas: ReplicaCheck
  private let state: ShardedState
  /// Where the state after each step is kept; nil where it is not.
  private let kept: StepState?
  private let evaluation: EvaluationMemory
  private let output: RunOutput?
  private var updates: Int
  /// The epoch of the last step before this run.
  private let startEpoch: Int
  private var best: Checkpoint.BestScore?
  private var patience: Checkpoint.Patience
  /// The threshold that the newest evaluation has found.
  private var threshold: Checkpoint.Threshold?
  private var loading = LoadingWatch()
  /// Tells the signal that has asked this rank for the end.
  private let stopAsked: () -> StopSignal?
  /// The signal by which all ranks have agreed to end.
  private var stop: StopSignal?
  /// Whether an evaluation is due after the last step, and was not made.
  private var isUnscored: Bool
  /// The step after which the folder's checkpoints are of a course that was left, until this one has one.
  private var abandonedAfter: Int?
  /// Whether a checkpoint of this course has been begun.
  private var hasSaved = false
  /// Whether the state is still the one that was kept by an earlier start.
  private var isAsKept: Bool
  /// What is said beside a kept state, until it changes.
  private var keptEntries: [String: String]?
  /// The line of the log that tells of the last step.
  private var logLine: String?
  /// Tells of the last step, which other hosts may not have kept yet; on rank 0.
  private var untold: (() throws -> Void)?

  /// Prepares a run: reads the data, joins the ranks on one start, opens the run's folder.
  ///
  /// Collective. Whatever fails on one rank fails on all of them.
  ///
  /// - Parameter stop: tells the signal that has asked this rank for the end, if one has.
  package convenience init(
    _ asked: TrainingConfiguration, communicator: any Communicator,
    stop: @escaping () -> StopSignal? = { StopSignal.received }
  ) throws {
    self.init(try RunPreparation(asked, communicator: communicator), stop: stop)
  }

  /// The trainer of a run that is ready for its first step.
  private init(_ prepared: RunPreparation, stop: @escaping () -> StopSignal?) {
    plan = prepared.plan
    communicator = prepared.communicator
    (step, state, replicas) = (prepared.step, prepared.state, prepared.replicas)
    (evaluation, output, kept) = (prepared.evaluation, prepared.output, prepared.kept)
    abandonedAfter = prepared.abandonedAfter
    isAsKept = prepared.keptIn != nil
    updates = prepared.start?.step ?? 0
    startEpoch = prepared.start?.epoch ?? 0
    best = prepared.best
    patience = prepared.start?.patience ?? Checkpoint.Patience()
    threshold = prepared.start?.threshold
    isUnscored = prepared.start?.isUnscored ?? false
    stopAsked = stop
  }

  // MARK: The run

  /// Trains to the end, or until a signal asks one of the ranks to stop; collective.
  ///
  /// Then the step at work is finished and saved, and a run that is resumed goes on as if it had not
  /// stopped.
  ///
  /// - Returns: how the process is to end.
  /// - Throws: what ended the run early. The checkpoints written until then stay.
  package func run() throws -> JobStatus {
    output?.answerStopSignals()
    StopSignal.finishFirst()
    try advance(to: totalSteps)
    // What they were for is on the disk.
    kept?.remove()
    output?.folder.removeStepStateMark()
    if let stop {
      try output?.recordStop(by: stop, step: updates)
      return .stopped
    }
    if let path = configuration.timeline { try step.timeline?.write(to: path) }
    if isOutOfPatience, updates < totalSteps {
      output?.say(
        "ends after \(updates) of \(totalSteps) steps: no score was better than "
          + "\(patience.meanIntersectionOverUnion.decimals(4)) in \(patience.evaluations) evaluations"
      )
    }
    try output?.recordEnd(steps: updates, best: best)
    return .success
  }

  /// Trains until `count` updates were made, patience has ended, or a signal asks for the end; collective.
  ///
  /// - Throws: what ended the run early.
  package func advance(to count: Int) throws {
    precondition(count <= totalSteps, "\(count) of \(totalSteps) steps")
    let loader = plan.loader(communicator, startStep: updates)
    defer { loader.close() }
    defer { output?.finish() }
    do {
      try makeSteps(to: count, by: loader)
      try settleKept()
      try communicator.together { try output?.finishSaving() }
    } catch {
      // What is being written is good, and says where to go on.
      try? output?.finishSaving()
      // A state that a fault has spoilt must not be gone on from.
      if error is ReplicaDivergence || error is NonFiniteStateError || error is RecurringDamageError
      {
        kept?.remove()
      }
      throw error
    }
  }

  private func makeSteps(to count: Int, by loader: BatchLoader) throws {
    // What was due after the last step before this run, and may not have been done.
    if isUnscored || isAsKept { try conclude(epoch: startEpoch) }
    isAsKept = false
    while updates < count && !isOutOfPatience && stop == nil {
      Progress.enter(.step, step: updates + 1)
      let began = ContinuousClock().now
      step.timeline?.begin(step: updates + 1)
      let batch = try communicator.together {
        // Not only at the next checkpoint, which may be hours away.
        if let failure = output?.savingFailure { throw failure }
        try FaultPoint.load.reach(step: updates + 1)
        return try loader.next()
      }
      let loaded = ContinuousClock().now
      step.timeline?.add("load", from: began, to: loaded)
      let rate = plan.schedule.rate(at: updates)
      var result = try run(batch, rate: rate)
      // No rank's report comes before it has kept the state before.
      try tellUntold()
      result.seconds.load = loader.secondsWaited
      // The slowest to load is waited for here.
      result.seconds.reduce += max(0, (loaded - began) / .seconds(1) - loader.secondsWaited)
      try stopUnlessFinite(result, batch.batch)
      updates += 1
      stop = result.stop
      let seconds = (ContinuousClock().now - began) / .seconds(1)
      if configuration.heal || isDue(configuration.checkReplicas) {
        try tell(of: replicas.compare(step: updates, checkpoint: output?.verifiedCheckpoint))
      }
      setUnscored(
        !data.validationIDs.isEmpty
          && (updates == totalSteps || isDue(configuration.evaluateEvery)))
      let record = try record(result, batch, rate: rate, seconds: seconds)
      // A kill between the two must not leave a state without its line.
      logLine = kept == nil ? nil : RunLog.line(of: record)
      try keep(epoch: batch.batch.epoch) { [output, totalSteps] in
        try output?.record(.step(record, of: totalSteps))
      }
      if let warning = loading.add(
        waited: result.seconds.load, of: seconds, threads: loader.threadCount)
      {
        output?.warn(warning)
      }
      try conclude(epoch: batch.batch.epoch)
    }
  }

  /// Runs a step, and where bits of a rank have changed by themselves, mends them and runs it again.
  ///
  /// Then what the damaged weights have told is forgotten, and the run is the one that it would have been.
  private func run(_ batch: LoadedBatch, rate: Double) throws -> TrainingStep.Result {
    for _ in 0...Self.mostRepairs {
      let result = try step.run(
        batch, rate: rate, stop: stopAsked, beforeUpdate: { [kept] in try kept?.wait() })
      guard result.isDamaged else { return result }
      try settle()
    }
    throw recurringDamage
  }

  private var recurringDamage: RecurringDamageError {
    RecurringDamageError(
      step: updates + 1, count: Self.mostRepairs, checkpoint: output?.lastGoodCheckpoint)
  }

  /// Repairs within one step, beyond which the memory is not to be trusted.
  private static let mostRepairs = 3

  /// Scores the step that was made, where that is due, and saves it where that is due or a stop was asked for.
  ///
  /// A stop does not wait for scores: the run that goes on makes them.
  private func conclude(epoch: Int) throws {
    var isBest = false
    if isUnscored && stop == nil {
      // Numbers that are broken are not to be scored, and called the best.
      try verifyState()
      Progress.enter(.evaluation, step: updates)
      try FaultPoint.evaluate.reach(step: updates, step.stateGuard.buffers)
      do {
        isBest = try evaluate(epoch: epoch)
      } catch is EvaluationStopped {
        stop = try agreedStop()
      }
    }
    let isLast = updates == totalSteps || isOutOfPatience
    if isLast || isBest || isDue(configuration.checkpointEvery) || stop != nil {
      Progress.enter(.checkpoint, step: updates)
      try FaultPoint.save.reach(step: updates, step.stateGuard.buffers)
      try save(epoch: epoch, isBest: isBest)
    }
    // There is nothing left to stop.
    if isLast && !isUnscored { stop = nil }
  }

  /// The signal by which the first rank that was asked for the end was; collective.
  private func agreedStop() throws -> StopSignal? {
    let all = try communicator.allgatherv([Int(stopAsked()?.rawValue ?? 0)])
    return all.joined().lazy.compactMap { StopSignal(rawValue: Int32($0)) }.first
  }

  private var configuration: TrainingConfiguration { plan.configuration }
  private var data: TrainingData { plan.data }
  private var totalSteps: Int { plan.totalSteps }

  /// The parameters of this rank's replica.
  package var parameters: FloatBuffer { step.parameters }

  private var isOutOfPatience: Bool {
    configuration.patience.map { patience.evaluations >= $0 } ?? false
  }

  private func isDue(_ interval: Int) -> Bool { interval > 0 && updates.isMultiple(of: interval) }

  /// Ends the run on all ranks when the loss or the gradient is not finite.
  private func stopUnlessFinite(_ result: TrainingStep.Result, _ batch: ShardedSampler.Batch) throws
  {
    guard !result.loss.isFinite || !result.gradientNorm.isFinite else { return }
    let batchIndices =
      result.brokenBatchIndices.isEmpty ? Array(batch.samples.indices) : result.brokenBatchIndices
    let names = batchIndices.prefix(8).map { data.dataset.names[batch.samples[$0]] }
    let what =
      result.loss.isFinite ? "gradient norm is \(result.gradientNorm)" : "loss is \(result.loss)"
    try? output?.finishSaving()
    let kept = output?.lastGoodCheckpoint.map { "the last good checkpoint is \($0)" }
    // The numbers are the same on all ranks, so all of them fail here.
    throw NonFiniteLossError(
      step: batch.step + 1, what: what, samples: names, more: batchIndices.count - names.count,
      checkpoint: kept ?? "no checkpoint was written yet")
  }

  /// What is told of a step; collective.
  private func record(
    _ result: TrainingStep.Result, _ loaded: LoadedBatch, rate: Double, seconds: Double
  ) throws -> StepRecord {
    let batch = loaded.batch
    return StepRecord(
      step: updates, epoch: batch.epoch, loss: result.loss, learningRate: rate,
      gradientNorm: result.gradientNorm, imagesPerSecond: Double(batch.samples.count) / seconds,
      seconds: result.seconds,
      rankSeconds: communicator.size > 1
        ? try RankSeconds.gather(result.seconds, communicator) : nil,
      sentByteCount: result.sentByteCount,
      samples: configuration.logSamples
        ? try DrawnSamples.gather(loaded, communicator) : nil)
  }

  /// Scores the validation images; true when the scores are the best so far.
  private func evaluate(epoch: Int) throws -> Bool {
    var scores = try evaluation.score(data, communicator) { stopAsked() != nil }
    // What damaged weights have scored is none.
    var repairs = 0
    while try step.stateGuard.isActive && settle() {
      repairs += 1
      guard repairs < Self.mostRepairs else { throw recurringDamage }
      scores = try evaluation.score(data, communicator) { stopAsked() != nil }
    }
    let score = scores.meanIntersectionOverUnion
    patience.take(score)
    let isBest = score > best?.meanIntersectionOverUnion ?? -1
    if isBest { best = Checkpoint.BestScore(step: updates, meanIntersectionOverUnion: score) }
    threshold = scores.foreground?.best.map {
      Checkpoint.Threshold(step: updates, value: $0.threshold, dice: $0.dice)
    }
    // Behind the step that is scored.
    try settleKept()
    try output?.record(
      .evaluation(
        EvaluationRecord(
          step: updates, scores: scores, isBest: isBest, classNames: data.dataset.mapping.names)))
    isUnscored = false
    keptEntries = nil
    try kept?.renew(keptMetadata(epoch: epoch))
    try communicator.together {
      guard let output, output.showsViews else { return }
      try output.record(.view(evaluation.view(data, step: updates, layout: step.network.layout)))
    }
    return isBest
  }

  /// Compares what is in memory with what the last update has left, and between the ranks, and mends what
  /// differs if that is asked for; collective.
  ///
  /// - Returns: whether something was mended.
  @discardableResult private func settle() throws -> Bool {
    // What is being kept must not be mended under way; what was may have been damaged before.
    try kept?.wait()
    let healed = try replicas.settle(step: updates, checkpoint: output?.verifiedCheckpoint)
    try tell(of: healed)
    if !healed.isEmpty { try kept?.keepAgain(updates) }
    return !healed.isEmpty
  }

  private func tell(of healed: [HealedReplica]) throws {
    for replica in healed { try output?.record(.healed(replica)) }
  }

  /// Proves what is about to be saved: as the last update has left it, where it is on all ranks the same,
  /// and finite.
  ///
  /// Else a checkpoint could be called good, and push out a good one, that no run can go on from.
  private func verifyState() throws {
    // First, for a fault of one rank's memory may make a number infinite there too.
    try settle()
    let buffers = step.stateGuard.parts
    let broken = buffers.map { part in
      VectorBounds.areWithin(
        .greatestFiniteMagnitude, part.values.base, count: part.values.count, on: step.team)
        ? Int64(0) : 1
    }
    let counts = try communicator.allReduceSum(broken)
    if let first = counts.firstIndex(where: { $0 > 0 }) {
      throw NonFiniteStateError(
        step: updates, name: buffers[first].name, checkpoint: output?.lastGoodCheckpoint)
    }
  }

  private func save(epoch: Int, isBest: Bool) throws {
    // One at a time, and its state stays pinned until then.
    try communicator.together { try output?.finishSaving() }
    if hasSaved, abandonedAfter != nil { (abandonedAfter, keptEntries) = (nil, nil) }
    hasSaved = true
    try verifyState()
    // A checkpoint comes after the line of its step.
    if hasOtherHosts { try settleKept() }
    let checkpoint = try checkpoint(epoch: epoch)
    if let kept {
      if !kept.holds(updates) { try kept.keep(keptMetadata(epoch: epoch)) }
      if let pinned = try kept.pin() {
        try communicator.together {
          try output?.beginSaving(checkpoint, layout: step.network.layout, isBest: isBest) {
            try pinned.buffers()
          }
        }
        return
      }
    }
    try kept?.wait()
    let whole = try state.gathered()
    try communicator.together {
      guard let output else { return }
      let layout = step.network.layout
      // What was gathered is a copy; with one of the parameters the run can go on meanwhile.
      if state.isSharded,
        let copy = try? FloatBuffer(count: layout.count, for: "a checkpoint's parameters")
      {
        copy.base.update(from: step.parameters.base, count: layout.count)
        return try output.beginSaving(checkpoint, layout: layout, isBest: isBest) { (copy, whole) }
      }
      try output.save(
        checkpoint, layout: layout, parameters: step.parameters, state: whole, isBest: isBest)
    }
  }

  /// The metadata of a checkpoint of the state as it is.
  private func checkpoint(epoch: Int) throws -> Checkpoint {
    try plan.checkpoint(
      step: updates, epoch: epoch, threshold: threshold, best: best, patience: patience,
      isUnscored: isUnscored,
      verification: Checkpoint.Verification(
        comparedRanks: communicator.size, comparesState: !state.isSharded,
        isGuarded: step.stateGuard.isActive))
  }
}

// MARK: - The state after each step

extension Trainer {
  /// Keeps the state as it is, where it is due, and then tells of the step: what is told is not lost any more.
  ///
  /// Of other hosts that is known with the next step.
  private func keep(epoch: Int, tell: @escaping @Sendable () throws -> Void) throws {
    guard let kept, kept.isDue(after: updates) else {
      try kept?.wait()
      return try tell()
    }
    if hasOtherHosts, output != nil { untold = tell }
    try kept.keep(
      keptMetadata(epoch: epoch), then: output == nil || hasOtherHosts ? nil : tell)
  }

  private var hasOtherHosts: Bool { communicator.localSize < communicator.size }

  private func tellUntold() throws {
    guard let tell = untold else { return }
    untold = nil
    try tell()
  }

  /// Returns when every host has kept the state, and the step was told of; collective where there are several.
  private func settleKept() throws {
    guard let kept else { return }
    try kept.wait()
    guard hasOtherHosts else { return }
    try communicator.barrier()
    try tellUntold()
  }

  private func keptMetadata(epoch: Int) throws -> StepStateMetadata {
    let entries =
      try keptEntries
      ?? KeptRunState.entries(of: checkpoint(epoch: epoch), abandonedAfter: abandonedAfter)
    keptEntries = entries
    return try KeptRunState.metadata(step: updates, epoch: epoch, entries, logLine: logLine)
  }

  private func setUnscored(_ value: Bool) {
    guard isUnscored != value else { return }
    (isUnscored, keptEntries) = (value, nil)
  }
}

/// A loss or a gradient that is infinite or not a number, on all ranks alike.
struct NonFiniteLossError: AgreedFailure {
  /// Rank 0, which alone knows of the checkpoints.
  let reportingRank = 0
  let step: Int
  let what: String
  let samples: [String]
  let more: Int
  let checkpoint: String

  var description: String {
    let rest = more > 0 ? " and \(more) more" : ""
    return "step \(step): the \(what), on samples \(samples.joined(separator: ", "))\(rest); "
      + "the weights were not updated and \(checkpoint); lower --learning-rate or set --clip-norm"
  }
}

/// Bits that change again and again by themselves, on all ranks alike.
struct RecurringDamageError: AgreedFailure {
  /// Rank 0, which alone knows of the checkpoints.
  let reportingRank = 0
  let step: Int
  let count: Int
  let checkpoint: String?

  var description: String {
    "step \(step): bits have changed again after \(count) repairs (see the warnings); nothing was saved; "
      + (checkpoint.map { "resume from \($0)" } ?? "start again") + ", without the host they name"
  }
}

/// Weights or optimiser state that an update has made infinite or not a number, on all ranks alike.
struct NonFiniteStateError: AgreedFailure {
  /// Rank 0, which alone knows of the checkpoints.
  let reportingRank = 0
  let step: Int
  let name: String
  let checkpoint: String?

  var description: String {
    let kept =
      checkpoint.map { "the last good checkpoint is \($0)" } ?? "no checkpoint was written yet"
    return
      "step \(step): the update has made the \(name) infinite or not a number; nothing was saved "
      + "and \(kept); lower --learning-rate or set --clip-norm"
  }
}
