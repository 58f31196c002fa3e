// The output of a run on rank 0: records and checkpoints.

import Checkpoints
import Communication
import Configuration
import Datasets
import Files
import Foundation
import Liveness
import Reports
import Synchronization
import Tensors
import Threading

/// The run's folder and display, on the one rank that writes.
///
/// Checkpoints are written by a thread of its own where their state stays as it is meanwhile.
final class RunOutput: Sendable {
  private struct State {
    /// The checkpoint that the run was resumed from.
    var startPath: String?
    /// The step after which checkpoints are of a course that is not taken, until the first one of this course.
    var abandonedAfter: Int?
    /// See ``RunOutput/verifiedCheckpoint``.
    var verifiedCheckpoint: String?
  }

  let folder: RunFolder
  private let keep: Int
  private let display: RunDisplay
  private let state = Mutex(State())
  /// Records go to one after the other, whichever thread tells them.
  private let sinks: Mutex<[any RecordSink]>
  /// Writes checkpoints; nil where the system refuses a thread.
  private let writer: BackgroundThread?

  /// Opens the folder; a run in it is an error unless it is resumed.
  init(_ configuration: TrainingConfiguration, display: RunDisplay) throws {
    // Who asks for either begins when nothing was found that could be gone on from.
    folder = try RunFolder(
      path: configuration.output, resuming: configuration.resume != nil,
      hasNoStates: configuration.resumeOrStart)
    keep = configuration.keep
    self.display = display
    sinks = Mutex([display])
    writer = BackgroundThread()
    if folder.beginsAgain {
      display.write("\(folder.path): a run that had saved nothing begins again")
    }
  }

  /// Tells that the run goes on from the checkpoint at `path`, or from a state in memory.
  ///
  /// Versions that name themselves in checkpoints have compared the ranks before writing them.
  func startsFrom(_ checkpoint: Checkpoint, at path: String?, abandonedAfter: Int? = nil) {
    // Of a state in memory the newest checkpoint of its course.
    let newest =
      path
      ?? (try? folder.checkpointSteps())?.last { $0 <= abandonedAfter ?? .max }
      .map { folder.checkpointPath(step: $0) }
    state.withLock { state in
      state.startPath = path
      if checkpoint.version != nil { state.verifiedCheckpoint = newest }
    }
  }

  /// Writes the configuration and the division of the images, and opens the log.
  ///
  /// Before anything is cut, the folder names this start, whose states are the newest from then on.
  ///
  /// What a resumed run wrote after `start` is of a course that is not taken. Lines of the log are removed,
  /// checkpoints stay until the first new one is there.
  ///
  /// - Returns: whether the best checkpoint that `start` knows of is in the folder.
  func open(
    _ configuration: TrainingConfiguration, data: TrainingData, resumedFrom start: Checkpoint?,
    abandonedAfter: Int?, logLine: String?, mark: StepStateMark?
  ) throws -> Bool {
    let step = start?.step
    if let mark { try mark.write(in: folder.path) } else { folder.removeStepStateMark() }
    try folder.writeConfiguration(configuration.yaml())
    if let division = data.division { try folder.writeDivision(division) }
    if let step { try folder.goOn(from: step) }
    state.withLock { $0.abandonedAfter = abandonedAfter }
    let log = try RunLog(
      path: folder.logPath, resumedFrom: step, isUnscored: start?.isUnscored ?? false,
      line: logLine)
    if let missing = log.missingSteps {
      display.warn(
        "\(folder.logPath) has no lines of step \(missing): its curves lack them, and the network is the same; "
          + "keep the log with the checkpoints")
    }
    var files: [any RecordSink] = [
      log, EvaluationFile(path: folder.path + "/evaluation.json"),
      ProgressPictureFile(
        path: folder.path + "/progress.png",
        // A run that goes on shows what was before; a log that cannot be read ends no run.
        history: step == nil
          ? RunHistory() : (try? RunHistory(path: folder.logPath)) ?? RunHistory()),
    ]
    if let events = configuration.tensorboard.path(output: folder.path) {
      files.append(try TensorBoardRecords(EventFile(in: events, after: step ?? 0)))
    }
    sinks.withLock { $0 += files }
    try record(
      .start(
        StartRecord(
          isResumed: step != nil, step: step ?? 0, programVersion: Version.number,
          programRevision: Version.revision,
          configurationDigest: configuration.digest(for: .resume),
          trainingImageCount: data.trainingIDs.count,
          validationImages: data.validationIDs.map { data.validation.names[$0] })))
    return try folder.restoreBest(step: start?.best?.step)
  }

  /// Puts a checkpoint aside that is damaged or another run's, so that the run can go on from the one before it.
  func putAside(_ path: String, because error: FileError) throws {
    let aside = try folder.putAside(path)
    display.warn("\(error.fault); it is kept as \(aside), and the checkpoint before it is taken")
  }

  /// Warns the user.
  func warn(_ message: String) { display.warn(message) }

  /// Tells the user something.
  func say(_ message: String) { display.write(message) }

  /// Gives a record to all who take records.
  func record(_ record: RunRecord) throws {
    try sinks.withLock { sinks in
      for sink in sinks { try sink.take(record) }
    }
  }

  /// Writes a checkpoint, points the links to it, and removes those that are no longer kept.
  func save(
    _ checkpoint: Checkpoint, layout: ParameterLayout, parameters: FloatBuffer,
    state buffers: [(name: String, values: FloatBuffer)], isBest: Bool
  ) throws {
    let sinks = sinks.withLock { $0 }
    for sink in sinks { try sink.flush() }
    try checkpoint.write(
      to: folder.checkpointPath(step: checkpoint.step), layout: layout, parameters: parameters,
      state: buffers)
    try folder.point(.latest, toStep: checkpoint.step)
    if isBest { try folder.point(.best, toStep: checkpoint.step) }
    let abandonedAfter = state.withLock { state in
      state.verifiedCheckpoint = folder.checkpointPath(step: checkpoint.step)
      defer { state.abandonedAfter = nil }
      return state.abandonedAfter
    }
    if let abandonedAfter { try folder.abandon(after: abandonedAfter, for: checkpoint.step) }
    try folder.prune(keep: keep)
  }

  /// Begins to do the same behind the run's back; ``finishSaving()`` follows.
  ///
  /// - Parameter buffers: gives what is to be saved, which stays as it is until then.
  func beginSaving(
    _ checkpoint: Checkpoint, layout: ParameterLayout, isBest: Bool,
    _ buffers:
      @escaping @Sendable () throws -> (
        parameters: FloatBuffer, state: [(name: String, values: FloatBuffer)]
      )
  ) throws {
    @Sendable func save() throws {
      let (parameters, state) = try buffers()
      try self.save(
        checkpoint, layout: layout, parameters: parameters, state: state, isBest: isBest)
    }
    guard let writer else { return try save() }
    try writer.begin(save)
  }

  /// Returns when the checkpoint that was begun is written.
  ///
  /// - Throws: what kept it from being written.
  func finishSaving() throws { try writer?.wait() }

  /// What kept a checkpoint from being written, as far as is known by now; does not wait.
  var savingFailure: (any Error)? { writer?.failure }

  /// Saves a checkpoint that an earlier start had begun, and had no time to write.
  func complete(
    _ checkpoint: Checkpoint, layout: ParameterLayout, parameters: FloatBuffer,
    state: [(name: String, values: FloatBuffer)]
  ) throws {
    try checkpoint.write(
      to: folder.checkpointPath(step: checkpoint.step), layout: layout, parameters: parameters,
      state: state)
  }

  /// The newest checkpoint whose contents were compared between the ranks before it was written: by
  /// this process, or by the one that wrote what the run started from.
  var verifiedCheckpoint: String? { state.withLock { $0.verifiedCheckpoint } }

  /// The newest checkpoint, be it in the folder or where the run started from.
  var lastGoodCheckpoint: String? {
    (try? folder.newestCheckpoint()) ?? state.withLock { $0.startPath }
  }

  /// Whether somebody looks at views of evaluations.
  var showsViews: Bool { sinks.withLock { $0.contains { $0.showsViews } } }

  /// Takes the progress bar away.
  func finish() { display.finish() }

  /// Lets one line say at once what a signal that asks for the end will do.
  func answerStopSignals() {
    let launcher = Launcher.detect(in: ProcessInfo.processInfo.environment)
    StallWatch.shared.onStopSignal { [display] signal in
      // mpirun sends TERM whenever a job ends, also because another rank has failed.
      if signal == .terminate && launcher?.command == "mpirun" { return }
      display.write(
        "\(signal.name): stopping after this step, which will be saved; "
          + (signal == .interrupt ? "Ctrl-C again ends at once" : "INT ends at once"))
    }
  }

  /// Records that a signal has ended the run early.
  func recordStop(by signal: StopSignal, step: Int) throws {
    try record(
      .stop(
        StopRecord(
          step: step, signal: signal.name, checkpointPath: folder.checkpointPath(step: step))))
  }

  /// Records the end of the run, which says where the results are.
  func recordEnd(steps: Int, best: Checkpoint.BestScore?) throws {
    try record(
      .end(
        EndRecord(
          steps: steps, latestPath: folder.path(of: .latest),
          best: best.map { ($0.step, folder.path(of: .best)) })))
  }
}
