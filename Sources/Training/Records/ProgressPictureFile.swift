// progress.png: how a run goes, as a picture that is drawn again and again.

import Files
import Foundation
import Imaging
import Metrics
import Reports
import Synchronization

/// Draws loss, learning rate and validation score of a run, at evaluations and at most once a minute between
/// them.
///
/// A picture that cannot be written ends no run: what fills the disk, the log and the checkpoints will tell.
final class ProgressPictureFile: RecordSink {
  private struct Curves {
    var loss = ThinnedCurve()
    var rate = ThinnedCurve()
    var validationLoss = ThinnedCurve()
    var score = ThinnedCurve()
    var mean = MovingMean()
    var step = 0
    var totalSteps = 0
    var lastDrawn: ContinuousClock.Instant?

    mutating func add(step: Int, loss: Double, rate: Double) {
      mean.add(loss)
      self.loss.add(Double(step), mean.mean)
      self.rate.add(Double(step), rate)
      self.step = step
    }

    mutating func add(step: Int, score: Double?, loss: Double?) {
      if let score { self.score.add(Double(step), score) }
      if let loss { validationLoss.add(Double(step), loss) }
    }
  }

  private static let secondsBetweenDrawings = Duration.seconds(60)

  private let path: String
  private let curves = Mutex(Curves())

  /// The picture at `path`, of a run that goes on after what its log tells.
  init(path: String, history: RunHistory = RunHistory()) {
    self.path = path
    curves.withLock { curves in
      for step in history.steps {
        curves.add(step: step.step, loss: step.loss ?? .nan, rate: step.learningRate ?? .nan)
      }
      for evaluation in history.evaluations {
        curves.add(
          step: evaluation.step, score: evaluation.scores.meanIntersectionOverUnion,
          loss: evaluation.scores.loss)
      }
    }
  }

  func take(_ record: RunRecord) {
    curves.withLock { curves in
      switch record {
      case .start, .healed, .view: break
      case .step(let step, of: let totalSteps):
        curves.totalSteps = totalSteps
        curves.add(step: step.step, loss: step.loss, rate: step.learningRate)
        let now = ContinuousClock().now
        // The first picture is there at once, for whoever looks whether there is one.
        if curves.lastDrawn.map({ now - $0 >= Self.secondsBetweenDrawings }) ?? true {
          draw(&curves)
        }
      case .evaluation(let evaluation):
        curves.add(
          step: evaluation.step, score: evaluation.scores.meanIntersectionOverUnion,
          loss: evaluation.scores.loss)
        draw(&curves)
      case .stop, .end: draw(&curves)
      }
    }
  }

  private func draw(_ curves: inout Curves) {
    curves.lastDrawn = ContinuousClock().now
    let picture = ProgressPicture(
      "step \(curves.step) of \(max(curves.step, curves.totalSteps))",
      [
        ProgressPicture.Chart(
          "training loss, mean of 20 steps", [ProgressPicture.Curve(curves.loss.points)]),
        // Another quantity than what is trained by, so that it has an axis of its own.
        ProgressPicture.Chart(
          "cross-entropy of the validation images",
          [ProgressPicture.Curve(curves.validationLoss.points)]),
        ProgressPicture.Chart(
          "mean iou of the validation images", [ProgressPicture.Curve(curves.score.points)]),
        ProgressPicture.Chart(
          "learning rate", [ProgressPicture.Curve(curves.rate.points)]),
      ], totalSteps: curves.totalSteps)
    try? PNGFile.write(picture.image, to: path)
  }
}

/// The points of a curve, of a long one means of neighbours, so that memory has a limit.
struct ThinnedCurve {
  /// Points that are kept at most.
  static let limit = 1024

  private(set) var points: [(x: Double, y: Double)] = []
  /// Values that make one point.
  private var share = 1
  private var pending: (x: Double, y: Double, count: Int) = (0, 0, 0)

  /// Adds a value; x rises from call to call.
  mutating func add(_ x: Double, _ y: Double) {
    pending = (pending.x + x, pending.y + y, pending.count + 1)
    guard pending.count == share else { return }
    let count = Double(share)
    points.append((pending.x / count, pending.y / count))
    pending = (0, 0, 0)
    guard points.count == Self.limit else { return }
    points = stride(from: 0, to: points.count, by: 2).map { index in
      let (first, second) = (points[index], points[index + 1])
      return ((first.x + second.x) / 2, (first.y + second.y) / 2)
    }
    share *= 2
  }
}
