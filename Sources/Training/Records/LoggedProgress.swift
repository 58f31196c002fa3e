// How far a run has come, by its log.

import Checkpoints
import Files
import Foundation

/// The last start of a run and its steps, as its folder tells them to somebody outside.
package struct LoggedProgress: Equatable, Sendable {
  /// When the run was last begun or gone on with, in seconds since 1970, which tells its starts apart.
  package private(set) var startTime: Double?
  /// The step that the last start began after.
  private var startStep = 0
  /// The last step that was told of.
  private var lastStep = 0
  /// The step of the newest state that a run can go on from.
  private let safeStep: Int

  /// The progress of the run in `folder`; of none where there is no log.
  package init(of folder: String) {
    struct Line: Decodable {
      let event: String?
      let step: Int?
      let time: Double?
    }
    let log = try? Data(
      contentsOf: URL(fileURLWithPath: folder + "/log.jsonl"), options: .alwaysMapped)
    let decoder = JSONDecoder()
    for text in (log ?? Data()).split(separator: UInt8(ascii: "\n")) {
      guard let line = try? decoder.decode(Line.self, from: text), let step = line.step else {
        continue
      }
      lastStep = step
      if ["start", "resume"].contains(line.event) { (startTime, startStep) = (line.time, step) }
    }
    let saved = try? RunFolder.newestCheckpointStep(in: folder)
    // Steps are told of when their state is kept.
    safeStep = StepStateMark.isThere(in: folder) ? lastStep : saved ?? 0
  }

  /// Whether the last start has made a step from which the run can go on.
  package var hasWon: Bool { startTime != nil && safeStep > startStep }
}
