// What is counted of the windows of images.

import Datasets
import Metrics
import Tensors

/// The counts and losses of windows, in the order in which they were added.
struct WindowTally {
  /// The pixels that are not ignored.
  private(set) var counts: ConfusionCounts
  /// The summed loss of each window.
  private(set) var losses: [Double] = []

  /// A tally of no window.
  init(classes: Int) { counts = ConfusionCounts(classes: classes) }

  /// Predicts a window and counts its pixels.
  ///
  /// `visit` is told the probabilities of each pixel, on any thread of the team.
  mutating func add(
    _ window: MirroredTiling.Window, of tiling: MirroredTiling, image: DatasetImage,
    predictor: TiledPredictor, _ softmax: borrowing PixelSoftmax,
    visit: (_ pixel: Int, _ probabilities: UnsafePointer<Double>) -> Void = { _, _ in }
  ) throws(AllocationError) {
    let (rows, columns) = (window.ownRows, window.ownColumns)
    let classes = counts.classes
    let truth = rows.flatMap { y in
      image.labels[y * image.width + columns.lowerBound..<y * image.width + columns.upperBound]
    }
    var prediction = [UInt8](repeating: 0, count: truth.count)
    var rowLosses = [Double](repeating: 0, count: rows.count)
    let logits = try predictor.logits(window, of: tiling, pixels: image.pixels)
    prediction.withUnsafeMutableBufferPointer { prediction in
      rowLosses.withUnsafeMutableBufferPointer { rowLosses in
        predictor.forEachOwnPixel(of: window, in: logits) { y, x, scores, thread in
          let row = y - rows.lowerBound
          let place = row * columns.count + x - columns.lowerBound
          let (probabilities, logSum) = softmax(scores, thread: thread)
          // The labels are those that a prediction writes, down to its rounding to Float.
          prediction[place] = firstLargest(classes) { Float(probabilities[$0]) }
          if truth[place] != ConfusionCounts.ignoredLabel {
            rowLosses[row] += logSum - Double(scores[Int(truth[place])])
          }
          visit(y * image.width + x, probabilities)
        }
      }
    }
    counts.add(truth: truth, prediction: prediction)
    losses.append(rowLosses.reduce(0, +))
  }
}
