// What rank 0 writes of a run: log, terminal, scores and checkpoints.

import Checkpoints
import Configuration
import Files
import Foundation
import Metrics
import Tensors

/// The run's folder and display, on the one rank that writes.
final class RunOutput {
  let folder: RunFolder
  private let keep: Int
  private let display: RunDisplay
  private var log: RunLog?

  /// Opens the folder; a run in it is an error unless it is resumed.
  init(_ configuration: TrainingConfiguration, display: RunDisplay) throws {
    folder = try RunFolder(path: configuration.output, resuming: configuration.resume != nil)
    keep = configuration.keep
    self.display = display
  }

  /// Writes the configuration and opens the log, which names the images kept for validation.
  ///
  /// What a resumed run wrote after `start` is of a course that is not taken: it is removed.
  ///
  /// - Returns: whether the best checkpoint that `start` knows of is in the folder.
  func open(
    _ configuration: TrainingConfiguration, data: TrainingData, resumedFrom start: Checkpoint?
  ) throws -> Bool {
    let step = start?.step
    try folder.writeConfiguration(configuration.yaml())
    if let step { try folder.abandon(after: step) }
    log = try RunLog(path: folder.logPath, resumedFrom: step)
    try log?.append(
      event: step == nil ? "start" : "resume", step: step ?? 0,
      [
        ("program_version", .text(Version.number)),
        ("program_revision", .text(Version.revision)),
        ("configuration_digest", .text(configuration.digest(for: .resume))),
        ("training_images", .integer(data.trainingIDs.count)),
        (
          "validation_images",
          .list(data.validationIDs.map { .text(data.validation.names[$0]) })
        ),
      ])
    return try folder.restoreBest(step: start?.best?.step)
  }

  /// Writes a step to the log and to the terminal.
  func record(_ record: StepRecord, totalSteps: Int) throws {
    try log?.append(record)
    display.show(record, totalSteps: totalSteps)
  }

  /// Writes scores to the log, to `evaluation.json`, and to the terminal.
  func record(
    _ scores: SegmentationScores, step: Int, isBest: Bool, names: [String]
  ) throws {
    try log?.append(
      event: "evaluation", step: step,
      [("best", .boolean(isBest)), ("scores", scores.json)])
    let summary: JSONValue = [
      "step": .integer(step), "best": .boolean(isBest), "scores": scores.json,
    ]
    try DurableFile.write(
      summary.json + "\n", to: folder.path + "/evaluation.json")
    display.write(
      "evaluation after step \(step)\(isBest ? " (the best so far)" : "")\n"
        + scores.table(names: names))
  }

  /// Writes a checkpoint, points the links to it, and removes those that are no longer kept.
  func save(
    _ checkpoint: Checkpoint, step: TrainingStep, state: [(name: String, values: FloatBuffer)],
    isBest: Bool
  ) throws {
    try checkpoint.write(
      to: folder.checkpointPath(step: checkpoint.step), layout: step.network.layout,
      parameters: step.parameters, state: state)
    try folder.point(.latest, toStep: checkpoint.step)
    if isBest { try folder.point(.best, toStep: checkpoint.step) }
    verifiedCheckpoint = folder.checkpointPath(step: checkpoint.step)
    try folder.prune(keep: keep)
  }

  /// The newest checkpoint of this process, whose contents were compared between the ranks before.
  private(set) var verifiedCheckpoint: String?

  /// The path of the newest checkpoint, or nil.
  var newestCheckpoint: String? { try? folder.newestCheckpoint() }

  /// Takes the progress bar away.
  func finish() { display.finish() }

  /// Says where the results are.
  func announceEnd(updates: Int, best: Checkpoint.BestScore?) {
    display.finish()
    var text = "\(updates) steps done; the newest checkpoint is \(folder.path(of: .latest))"
    if let best {
      text += "\nthe best, of step \(best.step), is \(folder.path(of: .best))"
    }
    display.write(text)
  }
}
