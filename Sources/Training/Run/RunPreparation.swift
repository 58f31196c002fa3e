// The preparation of a run, all that it has before its first step: memory, folder, and the state that it starts from.

import Checkpoints
import Communication
import Configuration
import Datasets
import Files
import Foundation
import Inference
import Kernels
import Network
import Tensors
import Threading

/// Everything that the loop of a ``Trainer`` needs, ready for its first step.
struct RunPreparation {
  let plan: RunPlan
  let communicator: any Communicator
  /// Nil on all ranks but the first, which alone writes.
  let output: RunOutput?
  let step: TrainingStep
  let replicas: ReplicaCheck
  let state: ShardedState
  /// Where the state after each step is kept; nil where it is not.
  let kept: StepState?
  let evaluation: EvaluationMemory
  /// The checkpoint of a resumed run.
  let start: Checkpoint?
  /// Where the state was kept that a resumed run goes on from; nil for a checkpoint on the disk.
  let keptIn: String?
  /// The step after which the folder's checkpoints are of a course that was left, until this one has one.
  let abandonedAfter: Int?
  /// The best validation score so far, where its checkpoint is in the folder.
  let best: Checkpoint.BestScore?

  /// Prepares a run: reads the data, opens the run's folder, joins the ranks on one start.
  ///
  /// Collective. Whatever fails on one rank fails on all of them.
  init(_ asked: TrainingConfiguration, communicator: any Communicator) throws {
    self.communicator = communicator
    let began = ContinuousClock().now
    let display = RunDisplay(logEvery: asked.logEvery)
    try asked.verifySameStart(communicator)
    var plan = try RunPlan(
      asked.withoutMinutes, display: display, communicator: communicator)
    // Once all ranks agree on the run, and before its memory is allocated.
    let output = try communicator.together {
      try communicator.rank == 0 ? RunOutput(plan.configuration, display: display) : nil
    }
    self.output = output

    var step = try plan.step(display, communicator)
    if let minutes = asked.minutes {
      let fitting = try FittingPlan(
        asked, first: (plan, step), minutes: minutes, since: began, display: display,
        communicator: communicator)
      (plan, step) = (fitting.plan, fitting.step)
    }
    (self.plan, self.step) = (plan, step)
    let layout = plan.network.layout
    replicas = ReplicaCheck(
      step.stateGuard, communicator: communicator, heals: plan.configuration.heal)
    evaluation = try EvaluationMemory(plan, step, communicator)
    state = ShardedState(
      step.optimizer, elementCount: layout.count, isSharded: step.reducer.isSharded,
      communicator: communicator)

    let earlier = try StepStateMark.shared(
      output?.folder.stepStateMark(host: communicator.hostName), communicator)
    let begin = try Self.startState(plan, output, step, state, earlier, communicator)
    let start = begin.checkpoint
    self.start = start
    keptIn = begin.kept?.mark.states
    abandonedAfter = begin.kept == nil ? start?.step : begin.kept?.abandonedAfter
    let logLine = begin.kept?.logLine
    let (kept, mark) = try Self.keep(
      start, abandonedAfter: abandonedAfter, logLine: logLine, plan, output, step, state,
      communicator)
    // From here on nothing but updates changes parameters and state.
    if plan.configuration.checkReplicas > 0 || plan.configuration.heal { step.stateGuard.begin() }
    // The best of a run resumed into another folder, or from before it, is not there to be named.
    let hasBest = try communicator.together { [abandonedAfter] in
      try output?.open(
        plan.configuration, data: plan.data, resumedFrom: start, abandonedAfter: abandonedAfter,
        logLine: logLine, mark: mark) ?? false
    }
    self.kept = try Self.replace(earlier, by: kept, output, communicator)
    best = try communicator.allReduceSum([hasBest ? 1 : Int64(0)]) == [0] ? nil : start?.best
    if let path = plan.configuration.timeline {
      try communicator.together { if communicator.rank == 0 { try Timeline.prepare(path) } }
      step.timeline = try Timeline(communicator: communicator)
    }
    if communicator.rank == 0 { try announce() }
  }

  /// Gives every rank the parameters and the state of rank 0: from a checkpoint, or initial ones.
  private static func startState(
    _ plan: RunPlan, _ output: RunOutput?, _ step: TrainingStep, _ state: ShardedState,
    _ mark: StepStateMark?, _ communicator: any Communicator
  ) throws -> (checkpoint: Checkpoint?, kept: KeptRunState?) {
    guard plan.configuration.resume != nil else {
      try plan.begin(
        step, say: { output?.say($0) }, warn: { output?.warn($0) }, communicator)
      return (nil, nil)
    }
    let start = RunStart(
      configuration: plan.configuration, data: plan.data, output: output, step: step,
      state: try communicator.together { try state.buffers() }, communicator: communicator)
    let found = try start.load(mark)
    try communicator.broadcast(step.parameters.floats, from: 0)
    try state.scatter(start.state)
    return found
  }

  /// Begins to keep states; collective.
  ///
  /// That of a run that goes on is there when this returns, before anything of the earlier start is touched.
  ///
  /// - Returns: nil where none are kept; and what tells this start from others, on rank 0.
  private static func keep(
    _ start: Checkpoint?, abandonedAfter: Int?, logLine: String?, _ plan: RunPlan,
    _ output: RunOutput?,
    _ step: TrainingStep, _ state: ShardedState, _ communicator: any Communicator
  ) throws -> (StepState?, StepStateMark?) {
    let path: String? =
      switch plan.configuration.stepState {
      case .off: nil
      case .automatic: StepStateFolder.usual
      case .folder(let path): URL(fileURLWithPath: path).path
      }
    let isOff = try communicator.allReduceSum([path == nil ? Int64(1) : 0]) != [0]
    let own = try communicator.together {
      try output.flatMap { output in
        try isOff
          ? nil
          : path.map {
            try StepStateMark(
              run: output.folder.path, states: $0, host: communicator.hostName)
          }
      }
    }
    guard let mark = try StepStateMark.shared(own, communicator) else { return (nil, nil) }
    if communicator.localRank == 0 {
      StepStateFolder(path: mark.states, host: communicator.hostName).removeLeftovers()
    }
    let metadata = try communicator.together {
      let checkpoint =
        try start
        ?? plan.checkpoint(
          step: 0, epoch: 0, threshold: nil, best: nil, patience: nil, isUnscored: false,
          verification: nil)
      return try KeptRunState.metadata(
        step: checkpoint.step, epoch: checkpoint.epoch,
        KeptRunState.entries(of: checkpoint, abandonedAfter: abandonedAfter), logLine: logLine)
    }
    let kept = try StepState.open(
      plan, step, state, mark: mark, metadataByteCount: metadata.text.count,
      warn: { output?.warn($0) }, communicator)
    if let kept, start != nil {
      try kept.keep(metadata)
      try communicator.together { try kept.wait() }
    }
    return (kept, kept == nil ? nil : own)
  }

  /// Removes the states of an earlier start, whose place this one's now take; collective.
  private static func replace(
    _ earlier: StepStateMark?, by kept: StepState?, _ output: RunOutput?,
    _ communicator: any Communicator
  ) throws -> StepState? {
    if let earlier, communicator.localRank == 0 {
      StepStateFolder(path: earlier.states, host: communicator.hostName).remove(earlier)
    }
    // Room for a second one may have been made only now.
    try communicator.barrier()
    guard let kept else { return nil }
    guard try kept.isReserved([0, 1], warn: { output?.warn($0) }) else {
      output?.folder.removeStepStateMark()
      return nil
    }
    return kept
  }
}
