// The output of a run on rank 0: records and checkpoints.

import Checkpoints
import Communication
import Configuration
import Datasets
import Files
import Foundation
import Liveness
import Network
import Reports
import Tensors

/// The run's folder and display, on the one rank that writes.
final class RunOutput {
  let folder: RunFolder
  private let keep: Int
  /// The checkpoint that the run was resumed from.
  private var startPath: String?
  /// The step after which checkpoints are of a course that is not taken, until the first one of this course.
  private var abandonedAfter: Int?
  private let display: RunDisplay
  private var sinks: [any RecordSink]

  /// Opens the folder; a run in it is an error unless it is resumed.
  init(_ configuration: TrainingConfiguration, display: RunDisplay) throws {
    folder = try RunFolder(path: configuration.output, resuming: configuration.resume != nil)
    keep = configuration.keep
    self.display = display
    sinks = [display]
    if folder.beginsAgain {
      display.write("\(folder.path): a run that had saved nothing begins again")
    }
  }

  /// Tells that the run goes on from the checkpoint at `path`.
  ///
  /// Versions that name themselves in checkpoints have compared the ranks before writing them.
  func startsFrom(_ checkpoint: Checkpoint, at path: String) {
    startPath = path
    if checkpoint.version != nil { verifiedCheckpoint = path }
  }

  /// Writes the configuration and the division of the images, and opens the log.
  ///
  /// What a resumed run wrote after `start` is of a course that is not taken. Lines of the log are removed,
  /// checkpoints stay until the first new one is there.
  ///
  /// - Returns: whether the best checkpoint that `start` knows of is in the folder.
  func open(
    _ configuration: TrainingConfiguration, data: TrainingData, resumedFrom start: Checkpoint?
  ) throws -> Bool {
    let step = start?.step
    try folder.writeConfiguration(configuration.yaml())
    if let division = data.division { try folder.writeDivision(division) }
    if let step { try folder.goOn(from: step) }
    abandonedAfter = step
    let log = try RunLog(path: folder.logPath, resumedFrom: step)
    if let missing = log.missingSteps {
      display.warn("\(folder.logPath) has no lines of step \(missing)")
    }
    sinks += [
      log, EvaluationFile(path: folder.path + "/evaluation.json"),
      ProgressPictureFile(
        path: folder.path + "/progress.png",
        // A run that goes on shows what was before; a log that cannot be read ends no run.
        history: step == nil
          ? RunHistory() : (try? RunHistory(path: folder.logPath)) ?? RunHistory()),
    ]
    if let events = configuration.tensorboard.path(output: folder.path) {
      sinks.append(try TensorBoardRecords(EventFile(in: events, after: step ?? 0)))
    }
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

  /// Puts a checkpoint aside that cannot be read, so that the run can go on from the one before it.
  func putAside(_ path: String, because error: FileError) throws {
    let aside = try folder.putAside(path)
    display.warn("\(error); it is kept as \(aside), and the checkpoint before it is taken")
  }

  /// Tells the user something.
  func say(_ message: String) { display.write(message) }

  /// Gives a record to all who take records.
  func record(_ record: RunRecord) throws {
    for sink in sinks { try sink.take(record) }
  }

  /// Writes a checkpoint, points the links to it, and removes those that are no longer kept.
  func save(
    _ checkpoint: Checkpoint, step: TrainingStep, state: [(name: String, values: FloatBuffer)],
    isBest: Bool
  ) throws {
    for sink in sinks { try sink.flush() }
    try checkpoint.write(
      to: folder.checkpointPath(step: checkpoint.step), layout: step.network.layout,
      parameters: step.parameters, state: state)
    try folder.point(.latest, toStep: checkpoint.step)
    if isBest { try folder.point(.best, toStep: checkpoint.step) }
    verifiedCheckpoint = folder.checkpointPath(step: checkpoint.step)
    if let step = abandonedAfter { try folder.abandon(after: step, for: checkpoint.step) }
    abandonedAfter = nil
    try folder.prune(keep: keep)
  }

  /// The newest checkpoint whose contents were compared between the ranks before it was written: by
  /// this process, or by the one that wrote what the run started from.
  private(set) var verifiedCheckpoint: String?

  /// The newest checkpoint, be it in the folder or where the run started from.
  var lastGoodCheckpoint: String? { (try? folder.newestCheckpoint()) ?? startPath }

  /// Whether somebody looks at views of evaluations.
  var showsViews: Bool { sinks.contains { $0.showsViews } }

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
