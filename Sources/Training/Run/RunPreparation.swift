// The preparation of a run, all that it has before its first step: memory, folder, and the state that it starts from.

import Checkpoints
import Communication
import Configuration
import Datasets
import Files
import Glibc
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
  let evaluation: EvaluationMemory
  /// The checkpoint of a resumed run.
  let start: Checkpoint?
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

    let start = try Self.startState(plan, output, step, state, communicator)
    self.start = start
    // From here on nothing but updates changes parameters and state.
    if plan.configuration.checkReplicas > 0 || plan.configuration.heal { step.stateGuard.begin() }
    // The best of a run resumed into another folder, or from before it, is not there to be named.
    let hasBest = try communicator.together {
      try output?.open(plan.configuration, data: plan.data, resumedFrom: start) ?? false
    }
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
    _ communicator: any Communicator
  ) throws -> Checkpoint? {
    guard plan.configuration.resume != nil else {
      try plan.begin(step, say: { output?.say($0) }, communicator)
      return nil
    }
    let wholeState = try communicator.together { try state.buffers() }
    let start = try loadStart(
      plan.configuration, output: output, data: plan.data, step: step, state: wholeState,
      communicator: communicator)
    try communicator.broadcast(step.parameters.floats, from: 0)
    try state.scatter(wholeState)
    return start
  }
}

// MARK: - The start

extension RunPreparation {
  /// Reads the checkpoint that a resumed run starts from, on rank 0, and tells the others what it says.
  ///
  /// Where none is named it is the newest that is not damaged.
  private static func loadStart(
    _ configuration: TrainingConfiguration, output: RunOutput?, data: TrainingData,
    step: TrainingStep, state: [(name: String, values: FloatBuffer)],
    communicator: any Communicator
  ) throws -> Checkpoint? {
    let start = try communicator.together { () throws -> Checkpoint? in
      guard let output else { return nil }
      func load(_ path: String) throws -> Checkpoint {
        let (checkpoint, file) = try Checkpoint.read(path)
        try checkpoint.check(resumedBy: configuration, data: data, path: path)
        try Checkpoint.load(file, layout: step.network.layout, into: step.parameters)
        for (name, buffer) in state {
          try Checkpoint.load(
            file, layout: step.network.layout, prefix: "optimizer.\(name).", into: buffer)
        }
        output.startsFrom(checkpoint, at: path)
        return checkpoint
      }
      if case .checkpoint(let given) = configuration.resume { return try load(given) }
      while true {
        let path = try output.folder.newestCheckpoint()
        do {
          return try load(path)
        } catch let error as FileError where error.tellsOfDamage {
          try output.putAside(path, because: error)
        }
      }
    }
    return try Checkpoint.shared(start, communicator)
  }
}

extension FileError {
  /// Whether a checkpoint's bytes are not those that were written, as after a disk's fault.
  fileprivate var tellsOfDamage: Bool {
    // A read error may pass, and the file be whole.
    [.malformed, .altered, .withoutChecksum].contains(kind)
  }
}

extension Checkpoint {
  /// Checks that a run of this configuration and data can go on from here with the same numbers.
  fileprivate func check(
    resumedBy configuration: TrainingConfiguration, data: TrainingData, path: String
  ) throws {
    let before: TrainingConfiguration
    do {
      before = try TrainingConfiguration(yaml: self.configuration, file: path)
    } catch {
      throw FileError(
        path: path, expected: "options that this version (\(Version.number)) understands",
        found: "\(error)",
        hint: version.map { "resume with version \($0), which wrote it, or a newer one" }
          ?? "resume with the version that wrote it")
    }
    let differences = configuration.differences(from: before, for: .resume)
    guard differences.isEmpty else {
      throw FileError(
        path: path, expected: "a run with the same options",
        found: "other values of " + differences.map { "--\($0)" }.joined(separator: ", "),
        hint: "resume with the options of the run, or start a new one with --load")
    }
    guard classes.values == data.dataset.mapping.values else {
      throw FileError(
        path: path, expected: "masks with the values \(classes.values)",
        found: "\(data.dataset.mapping.values)", hint: "resume with the images of the run")
    }
    guard dataDigest == data.digestText else {
      throw FileError(
        path: path, expected: "the images that the run was started with",
        found: "other names, sizes or numbers of images",
        hint: "resume with the images of the run, or start a new one with --load")
    }
    guard divisionDigest == nil || divisionDigest == data.divisionDigest else {
      throw FileError(
        path: path, expected: "the run's division into training and validation",
        found: "another one",
        hint: "resume with the split.json of the run's folder in the folder of --output")
    }
  }
}
