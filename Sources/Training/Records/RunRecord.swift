// Records of a run: its start, steps, evaluations and end, and the sinks that take them.

import Files
package import Metrics

/// Something that happened in a run.
package enum RunRecord: Sendable {
  /// A run has begun, or goes on.
  case start(StartRecord)
  /// A training step was made, of so many in the whole run.
  case step(StepRecord, of: Int)
  /// The validation images were scored.
  case evaluation(EvaluationRecord)
  /// A rank's memory was mended.
  case healed(HealedReplica)
  /// What is to be seen of an evaluation; made where a sink shows it.
  case view(EvaluationView)
  /// A signal has ended the run early, in good order.
  case stop(StopRecord)
  /// The last step was made and saved.
  case end(EndRecord)
}

/// A sink of the records of a run: the terminal, the log, a file of scores.
///
/// A new one is a file beside this one and a line in `RunOutput.open`.
package protocol RecordSink: Sendable {
  /// Takes a record; those that do not concern it are passed over.
  ///
  /// - Throws: what ends the run, such as a full disk.
  func take(_ record: RunRecord) throws

  /// Whether it shows views of evaluations, which take time to make.
  var showsViews: Bool { get }

  /// Sees that what was taken outlives a crash of the machine, before a checkpoint says that it happened.
  func flush() throws
}

extension RecordSink {
  package func flush() throws {}
  package var showsViews: Bool { false }
}

/// The start of a run: what it is.
package struct StartRecord: Sendable {
  /// Whether a run goes on that was begun before.
  package var isResumed: Bool
  /// The updates made before.
  package var step: Int
  package var programVersion: String
  package var programRevision: String
  package var configurationDigest: String
  package var trainingImageCount: Int
  /// The names of the images that are kept for validation.
  package var validationImages: [String]
}

/// The scores of the validation images.
package struct EvaluationRecord: Sendable {
  /// The updates made before.
  package var step: Int
  package var scores: SegmentationScores
  /// Whether they are the best of the run so far.
  package var isBest: Bool
  /// The names of the classes.
  package var classNames: [String]

  package init(step: Int, scores: SegmentationScores, isBest: Bool, classNames: [String]) {
    (self.step, self.scores, self.isBest, self.classNames) = (step, scores, isBest, classNames)
  }

  /// The best threshold of the foreground and what it reaches, where there are two classes.
  var thresholdFields: [(name: String, value: JSONValue)] {
    guard let best = scores.foreground?.best else { return [] }
    return [("threshold", .number(best.threshold)), ("threshold_dice", .number(best.dice))]
  }

  /// The same for people.
  var thresholdText: String {
    guard let best = scores.foreground?.best else { return "" }
    return
      "\nbest threshold of \(classNames.last ?? "the foreground"): \(best.threshold), with a Dice of "
      + best.dice.decimals(4)
  }
}

/// A stop before the last step: why, and what it leaves.
package struct StopRecord: Sendable {
  /// The updates made, and saved.
  package var step: Int
  /// The name of the signal.
  package var signal: String
  /// The checkpoint of the last step.
  package var checkpointPath: String
}

/// The end of a run: what it leaves.
package struct EndRecord: Sendable {
  /// The updates made in all.
  package var steps: Int
  /// The link to the newest checkpoint.
  package var latestPath: String
  /// The step of the best checkpoint and the link to it, where the run has scores.
  package var best: (step: Int, path: String)?

  package init(steps: Int, latestPath: String, best: (step: Int, path: String)?) {
    (self.steps, self.latestPath, self.best) = (steps, latestPath, best)
  }
}
