// What is counted of the windows of images.

import Datasets
import Metrics
import Tensors

/// The counts and losses of windows, in the order in which they were added.
struct WindowTally {
  /// The pixels that are not ignored.
  private(set) var counts: ConfusionCounts
  /// The probabilities of the second class in these pixels, where there are two.
  private(set) var foreground: ForegroundHistogram?
  /// The summed loss of each window.
  private(set) var losses: [Double] = []

  /// A tally of no window.
  init(classes: Int) {
    counts = ConfusionCounts(classes: classes)
    foreground = classes == 2 ? ForegroundHistogram() : nil
  }

  /// Predicts window number `index` and counts its pixels.
  ///
  /// Of the image only the part is read that the window's tile shows. `visit` is told the probabilities of each pixel, on any thread of the team.
  mutating func add(
    _ index: Int, of tiling: MirroredTiling, image: any TileSource, predictor: TiledPredictor,
    _ softmax: borrowing PixelSoftmax,
    visit: (_ pixel: Int, _ probabilities: UnsafePointer<Double>) -> Void = { _, _ in }
  ) throws {
    let (rows, columns) = (tiling.windows[index].rows, tiling.windows[index].columns)
    let shown = predictor.rectangle(of: index, in: tiling)
    let part = try image.part(rows: shown.rows, columns: shown.columns)
    let truth = rows.flatMap { y in
      let start =
        (y - part.rows.lowerBound) * part.columns.count + columns.lowerBound
        - part.columns.lowerBound
      return part.labels[start..<start + columns.count]
    }
    let pixels = PixelRectangle(
      rows: part.rows, columns: part.columns, channels: image.channels, values: part.pixels)
    let (id, width) = (image.id, image.width)
    var prediction = [UInt8](repeating: 0, count: truth.count)
    var bins = [UInt8](repeating: 0, count: foreground == nil ? 0 : truth.count)
    var rowLosses = [Double](repeating: 0, count: rows.count)
    try prediction.withUnsafeMutableBufferPointer { prediction throws(AllocationError) in
      try bins.withUnsafeMutableBufferPointer { bins throws(AllocationError) in
        try rowLosses.withUnsafeMutableBufferPointer { rowLosses throws(AllocationError) in
          try predictor.predict(
            window: index, of: tiling, pixels: pixels, image: id, softmax: softmax
          ) { y, x, said, _ in
            let row = y - rows.lowerBound
            let place = row * columns.count + x - columns.lowerBound
            prediction[place] = predictor.label(said)
            if !bins.isEmpty {
              bins[place] = UInt8(ForegroundHistogram.bin(Float(said.probabilities[1])))
            }
            if truth[place] != ignoredLabel {
              rowLosses[row] += said.loss(Int(truth[place]))
            }
            visit(y * width + x, said.probabilities)
          }
        }
      }
    }
    for (place, bin) in bins.enumerated() where truth[place] != ignoredLabel {
      foreground?.add(isForeground: truth[place] == 1, bin: Int(bin))
    }
    counts.add(truth: truth, prediction: prediction)
    losses.append(rowLosses.reduce(0, +))
  }
}
