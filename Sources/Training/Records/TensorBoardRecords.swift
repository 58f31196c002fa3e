// The numbers and pictures of a run for TensorBoard.

import Files
import Metrics
import Reports

/// Appends the numbers of steps and evaluations to an event file, and what is to be seen of evaluations.
///
/// Names have the form that TensorBoard groups by: what is before the stroke is a section.
struct TensorBoardRecords: RecordSink {
  private let file: EventFile

  init(_ file: EventFile) { self.file = file }

  var showsViews: Bool { true }

  /// Appends the numbers of a record; of the start and of ends there are none.
  func take(_ record: RunRecord) throws {
    switch record {
    case .start, .healed, .stop, .end: break
    case .view(let view):
      try file.append(
        step: view.step,
        images: view.pictures.map { ("validation/\($0.name.printable)", $0.image) },
        histograms: view.weights.map { ("weights/\($0.name)", $0.histogram) })
    case .step(let step, of: _):
      try file.append(
        step: step.step,
        [
          ("train/loss", step.loss), ("train/learning_rate", step.learningRate),
          ("train/gradient_norm", step.gradientNorm),
          ("train/images_per_second", step.imagesPerSecond),
        ] + step.seconds.parts.map { ("seconds/\($0.name)", $0.seconds) })
    case .evaluation(let evaluation):
      let scores = evaluation.scores
      var scalars = [
        ("validation/loss", scores.loss), ("validation/mean_iou", scores.meanIntersectionOverUnion),
        ("validation/mean_dice", scores.meanDice), ("validation/pixel_error", scores.pixelError),
      ]
      for (label, score) in scores.classes.enumerated() {
        let name =
          evaluation.classNames.indices.contains(label)
          ? evaluation.classNames[label] : "class \(label)"
        if let dice = score.dice { scalars.append(("validation_dice/\(name.printable)", dice)) }
      }
      if let best = scores.foreground?.best {
        scalars.append(("validation/threshold", best.threshold))
      }
      try file.append(step: evaluation.step, scalars)
    }
  }
}
