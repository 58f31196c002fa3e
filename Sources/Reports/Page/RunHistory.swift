// What the log of a run tells: its steps, its evaluations, and how it began.

package import Files
import Foundation

/// The contents of a run's `log.jsonl`.
///
/// A line that is not understood, such as one that was cut off when a machine stopped, is passed over:
/// a report of the rest is better than none.
package struct RunHistory: Sendable {
  /// A training step.
  package struct Step: Decodable, Sendable {
    package let step: Int
    package let loss: Double?
    package let learningRate: Double?
    package let gradientNorm: Double?
    package let imagesPerSecond: Double?
    /// Seconds by part of the step.
    package let seconds: [String: Double]?
    /// Seconds by part, a list over the ranks.
    package let rankSeconds: [String: [Double]]?

    private enum CodingKeys: String, CodingKey {
      case step, loss, seconds
      case learningRate = "learning_rate"
      case gradientNorm = "gradient_norm"
      case imagesPerSecond = "images_per_second"
      case rankSeconds = "rank_seconds"
    }
  }

  /// The scores of the validation images after a step.
  package struct Evaluation: Decodable, Sendable {
    package struct Scores: Decodable, Sendable {
      package struct Class: Decodable, Sendable {
        package let dice: Double?
      }

      package let meanIntersectionOverUnion: Double?
      package let meanDice: Double?
      package let loss: Double?
      package let classes: [Class]

      private enum CodingKeys: String, CodingKey {
        case loss, classes
        case meanIntersectionOverUnion = "mean_iou"
        case meanDice = "mean_dice"
      }
    }

    package let step: Int
    package let scores: Scores
  }

  /// How the run began.
  package struct Start: Decodable, Sendable {
    package let programVersion: String?
    package let programRevision: String?
    package let trainingImages: Int?
    package let validationImages: [String]?

    private enum CodingKeys: String, CodingKey {
      case programVersion = "program_version"
      case programRevision = "program_revision"
      case trainingImages = "training_images"
      case validationImages = "validation_images"
    }
  }

  /// The steps in their order.
  package private(set) var steps: [Step] = []
  /// The evaluations in their order.
  package private(set) var evaluations: [Evaluation] = []
  /// How it began or went on last.
  package private(set) var start: Start?
  /// How often it went on.
  package private(set) var resumptions = 0

  /// The parts of a step in the order of time.
  package static let parts = ["load", "forward", "backward", "reduce", "update"]

  /// The greatest accepted size of a log.
  private static let sizeLimit = 1 << 30

  /// A history of nothing.
  package init() {}

  /// The history that the log at `path` tells.
  ///
  /// - Throws: `FileError` where it cannot be read.
  package init(path: String) throws(FileError) {
    self.init(log: try InputFile.contents(of: path, limit: Self.sizeLimit))
  }

  /// The history that the text of a log tells.
  package init(log: [UInt8]) {
    struct Kind: Decodable { let event: String? }
    let decoder = JSONDecoder()
    for line in log.split(separator: UInt8(ascii: "\n")) {
      let data = Data(line)
      guard let kind = try? decoder.decode(Kind.self, from: data) else { continue }
      switch kind.event {
      case nil:
        if let step = try? decoder.decode(Step.self, from: data) { steps.append(step) }
      case "evaluation":
        if let evaluation = try? decoder.decode(Evaluation.self, from: data) {
          evaluations.append(evaluation)
        }
      case "start", "resume":
        if kind.event == "resume" { resumptions += 1 }
        if let start = try? decoder.decode(Start.self, from: data) { self.start = start }
      default: break
      }
    }
  }
}

extension RunHistory {
  /// The evaluation with the best mean intersection over union, the first of equal ones.
  package var best: Evaluation? {
    var best: Evaluation?
    for evaluation in evaluations {
      guard let score = evaluation.scores.meanIntersectionOverUnion else { continue }
      if score > best?.scores.meanIntersectionOverUnion ?? -1 { best = evaluation }
    }
    return best
  }

  /// The seconds of all steps by part, as the rank that wrote the log had them.
  package var secondsByPart: [(part: String, seconds: Double)] {
    Self.parts.map { part in
      (part, steps.reduce(0) { $0 + ($1.seconds?[part] ?? 0) })
    }
  }

  /// The seconds of all steps by rank and part; none where the log does not list the ranks.
  package var secondsByRank: [[Double]] {
    let ranks = steps.compactMap { $0.rankSeconds?[Self.parts[0]]?.count }.max() ?? 0
    return (0..<ranks).map { rank in
      Self.parts.map { part in
        steps.reduce(0) { sum, step in
          guard let seconds = step.rankSeconds?[part], rank < seconds.count else { return sum }
          return sum + seconds[rank]
        }
      }
    }
  }

  /// The seconds of all steps together.
  package var seconds: Double { secondsByPart.reduce(0) { $0 + $1.seconds } }
}
