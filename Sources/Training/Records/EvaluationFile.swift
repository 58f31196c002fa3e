// The file `evaluation.json` of a run: the newest scores.

import Files
import Metrics

/// Replaces a file by the scores of every evaluation.
package struct EvaluationFile: RecordSink {
  package let path: String

  /// Writes a record of scores; others are passed over.
  package func take(_ record: RunRecord) throws {
    guard case .evaluation(let evaluation) = record else { return }
    let summary = JSONValue.object(
      [
        ("step", .integer(evaluation.step)), ("best", .boolean(evaluation.isBest)),
        ("scores", evaluation.scores.json()),
      ] + evaluation.thresholdFields)
    try DurableFile.write(summary.json + "\n", to: path)
  }
}
