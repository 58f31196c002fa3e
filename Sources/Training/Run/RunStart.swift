// The start of a run that goes on: the newest state of it that there is.

import Checkpoints
import Communication
import Configuration
import Datasets
import Files
import Glibc
import Kernels
import Network
import Tensors

/// What a resumed run needs to load what it goes on from into the buffers of rank 0.
struct RunStart {
  let configuration: TrainingConfiguration
  let data: TrainingData
  /// Nil on all ranks but the first.
  let output: RunOutput?
  let step: TrainingStep
  /// On rank 0 the whole of every part of the optimiser's state.
  let state: [(name: String, values: FloatBuffer)]
  let communicator: any Communicator

  /// Loads the checkpoint that is named, or else the newer of the step state that hosts have kept and of the newest
  /// checkpoint that is not damaged; collective.
  ///
  /// - Returns: what it says, on every rank; and the step state, if that was taken.
  func load(_ mark: StepStateMark?) throws -> (checkpoint: Checkpoint?, kept: KeptRunState?) {
    if case .checkpoint(let path) = configuration.resume {
      let start = try communicator.together { try output.map { try load(path, to: $0) } }
      return (try Checkpoint.shared(start, communicator), nil)
    }
    var kept = try findKept(mark)
    while true {
      if let state = kept, try isNewest(state) {
        if let start = try load(state) { return (start, state) }
        kept = nil
      }
      // Of a damaged checkpoint there is none, and the one before it may be older than the step state.
      let start = try communicator.together { try output.flatMap { try loadNewest(to: $0) } }
      if let start = try Checkpoint.shared(start, communicator) { return (start, nil) }
    }
  }

  private var buffers: [FloatBuffer] {
    communicator.rank == 0 ? [step.parameters] + state.map(\.values) : []
  }

  // MARK: Checkpoints

  /// Loads a checkpoint, of `step` if one is given.
  private func load(
    _ path: String, ofStep named: Int? = nil, to output: RunOutput
  ) throws -> Checkpoint {
    let (checkpoint, file) = try Checkpoint.read(path)
    if let named, checkpoint.step != named {
      throw FileError(
        .altered, path: path, expected: "the state after step \(named), as its name says",
        found: "that after step \(checkpoint.step)",
        hint: "another file was copied over it; use another checkpoint")
    }
    try checkpoint.check(resumedBy: configuration, data: data, path: path)
    try Checkpoint.load(file, layout: step.network.layout, into: step.parameters)
    for (name, buffer) in state {
      try Checkpoint.load(
        file, layout: step.network.layout, prefix: "optimizer.\(name).", into: buffer)
    }
    output.startsFrom(checkpoint, at: path)
    return checkpoint
  }

  /// Loads the newest checkpoint; nil where it was damaged or is another run's, and is put aside.
  private func loadNewest(to output: RunOutput) throws -> Checkpoint? {
    let newest = try output.folder.newestStep()
    let path = output.folder.checkpointPath(step: newest)
    do {
      do {
        return try load(path, ofStep: newest, to: output)
      } catch let error as FileError where error.code == EIO {
        // It may pass, and the file be whole.
        return try load(path, ofStep: newest, to: output)
      }
    } catch let error as FileError
      where error.tellsOfDamage
      || error.kind == .ofAnotherRun && hasOwn(before: newest, output.folder)
    {
      try output.putAside(path, because: error)
      return nil
    }
  }

  /// Whether a checkpoint before `step` is of this run.
  ///
  /// Where none is, the run was given other options or images, and its checkpoints are all in order.
  private func hasOwn(before step: Int, _ folder: RunFolder) -> Bool {
    ((try? folder.checkpointSteps()) ?? []).contains { earlier in
      let path = folder.checkpointPath(step: earlier)
      guard earlier < step, let (checkpoint, _) = try? Checkpoint.read(path) else { return false }
      return (try? checkpoint.check(resumedBy: configuration, data: data, path: path)) != nil
    }
  }

  // MARK: The step state

  private func findKept(_ mark: StepStateMark?) throws -> KeptRunState? {
    let (count, names) = (step.network.layout.count, step.optimizer.state.map(\.name))
    let kept = try mark.flatMap {
      try KeptRunState.find($0, communicator) {
        $0.elementCount == count && $0.parts == [""] + names
      }
    }
    // Also where the mark is damaged, or that of the folder which this one is a copy of.
    if kept == nil, output?.folder.hasStepStateMark == true {
      output?.say(
        """
        the state after the last step is not on these hosts any more, or not whole; steps since the newest \
        checkpoint are made again
        """)
    }
    return kept
  }

  /// Whether a step state is newer than all checkpoints of its course; collective.
  private func isNewest(_ kept: KeptRunState) throws -> Bool {
    let isNewest = try communicator.together { () throws -> Bool in
      let newest = try output?.folder.checkpointSteps().last { $0 <= kept.abandonedAfter ?? .max }
      return output != nil && kept.step >= newest ?? 0
    }
    return try communicator.allReduceSum([isNewest ? Int64(1) : 0]) != [0]
  }

  /// Loads a step state; nil, with a warning, where it turns out to be unfit; collective.
  private func load(_ kept: KeptRunState) throws -> Checkpoint? {
    let path = kept.mark.states
    do {
      let start = try communicator.together { () throws -> Checkpoint? in
        guard let output else { return nil }
        let checkpoint = try Checkpoint(metadata: kept.entries, path: path)
        try checkpoint.check(resumedBy: configuration, data: data, path: path)
        try completeBest(of: checkpoint, kept, output)
        return checkpoint
      }
      try kept.load(into: buffers)
      try communicator.together {
        guard let start, let output else { return }
        for buffer in buffers
        where !VectorBounds.areWithin(
          .greatestFiniteMagnitude, buffer.base, count: buffer.count, on: step.team)
        {
          throw FileError(path: path, expected: "finite values", found: "infinity or NaN")
        }
        try complete(start, output)
        output.startsFrom(start, at: nil, abandonedAfter: kept.abandonedAfter)
      }
      return try Checkpoint.shared(start, communicator)
    } catch let failure as RankFailure {
      output?.warn("the state after the last step is not taken: \(failure.message)")
      return nil
    }
  }

  /// Writes the best checkpoint where the run had no time to, from the state that was kept for it.
  private func completeBest(
    of start: Checkpoint, _ kept: KeptRunState, _ output: RunOutput
  ) throws {
    guard let best = start.best?.step, best < start.step,
      try !output.folder.checkpointSteps().contains(best)
    else { return }
    try kept.withEarlier(best, in: buffers) { try complete($0, output) }
  }

  /// Writes a checkpoint of what is in the buffers, where it is the best and was not written.
  private func complete(_ checkpoint: Checkpoint, _ output: RunOutput) throws {
    guard checkpoint.best?.step == checkpoint.step,
      try !output.folder.checkpointSteps().contains(checkpoint.step)
    else { return }
    try output.complete(
      checkpoint, layout: step.network.layout, parameters: step.parameters, state: state)
  }
}

extension FileError.Kind {
  /// A checkpoint of other options or images than the run's.
  ///
  /// Not of another division, which old versions did not write down: then those before would seem to be the run's own.
  fileprivate static let ofAnotherRun = Self("of another run")
}

extension FileError {
  /// Whether a checkpoint's bytes are not those that were written, as after a disk's fault.
  fileprivate var tellsOfDamage: Bool {
    [.malformed, .altered, .withoutChecksum].contains(kind) || code == EIO
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
        .ofAnotherRun, path: path, expected: "a run with the same options",
        found: "other values of " + differences.map { "--\($0)" }.joined(separator: ", "),
        hint: "resume with the options of the run, or start a new one with --load")
    }
    guard classes.values == data.dataset.mapping.values else {
      throw FileError(
        .ofAnotherRun, path: path, expected: "masks with the values \(classes.values)",
        found: "\(data.dataset.mapping.values)", hint: "resume with the images of the run")
    }
    guard dataDigest == data.digestText else {
      throw FileError(
        .ofAnotherRun, path: path, expected: "the images that the run was started with",
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
