// Prediction of whole images by overlapping tiles with mirrored borders.

package import Datasets
import Glibc
package import Network
package import Tensors
package import Threading

/// Networks that see images of any size, one tile at a time.
///
/// An image is covered by windows; the tile around each shows the image in its context, and beyond the
/// image's border its mirror image (Ronneberger et al. 2015, figure 2). Only the window of the output is
/// taken, because near the border of a tile a network sees padding where the image goes on; so all plans
/// that are exact say the same of a pixel, but for rounding (see `TilePlan`).
///
/// Several networks, an ensemble, say the mean of their probabilities; so do several passes of one, by
/// `Averaging`. Means are taken in Double, in the order of networks and passes.
///
/// The parameters are read at each call, so that a predictor serves a network while it is trained.
/// One call at a time.
package final class TiledPredictor {
  /// The networks, of the same input channels and classes.
  package let members: [TrainedMember]

  /// The threads that compute.
  package let team: ThreadTeam
  /// The plan of every image, or nil for the best one of each.
  private let fixedPlan: TilePlan?
  /// The best plans of the sizes seen so far.
  private var bestPlans: [ImageShape: TilePlan] = [:]
  private let averaging: Averaging
  /// The probability above which a pixel is of the second of two classes; nil for the most probable class.
  package let threshold: Float?

  /// A predictor by square tiles of side `tile`, or by the best plan for each image where it is nil.
  ///
  /// Memory is allocated for the first tile, and anew where an image needs tiles of another size.
  ///
  /// - Parameter threshold: the probability above which a pixel is of the second of two classes; nil takes
  ///   the most probable class.
  /// - Precondition: there is a network, all have the same input channels and classes, the tile is legal for
  ///   each, and with a threshold there are two classes.
  package init(
    _ members: [TrainedMember], tile: Int?, averaging: Averaging = .none, threshold: Float? = nil,
    threads team: ThreadTeam
  ) {
    precondition(!members.isEmpty, "a prediction of no network")
    let configurations = members.map(\.network.configuration)
    precondition(
      configurations.allSatisfy {
        $0.inputChannels == configurations[0].inputChannels
          && $0.classes == configurations[0].classes
      }, "networks of other channels or classes")
    precondition(threshold == nil || configurations[0].classes == 2, "a threshold of many classes")
    self.members = members
    self.averaging = averaging
    self.threshold = threshold
    self.team = team
    fixedPlan = tile.map {
      TilePlan(square: $0, for: configurations, isSymmetric: averaging == .symmetries)
    }
  }

  /// A predictor that works in memory which others use between its calls, as training does.
  ///
  /// - Precondition: `parameters` are those of the network, and `activations` are the network's, for
  ///   square tiles and at least as many threads.
  package init(
    network: UNet, parameters: FloatBuffer, activations: UNetActivations, threads team: ThreadTeam
  ) throws(AllocationError) {
    precondition(
      activations.input.height == activations.input.width, "tiles of \(activations.input)")
    members = [try TrainedMember(network, parameters: parameters, activations: activations)]
    averaging = .none
    threshold = nil
    self.team = team
    fixedPlan = TilePlan(square: activations.input.height, for: [network.configuration])
  }

  /// The channels of an image.
  package var channels: Int { members[0].network.configuration.inputChannels }
  /// The classes.
  package var classes: Int { members[0].network.configuration.classes }

  /// The tiles by which an image of this size is predicted.
  package func plan(height: Int, width: Int) -> TilePlan {
    if let fixedPlan { return fixedPlan }
    let size = ImageShape(height: height, width: width, channels: 1)
    if let plan = bestPlans[size] { return plan }
    let plan = TilePlan.best(
      for: members.map(\.network), height: height, width: width,
      isSymmetric: averaging == .symmetries)
    bestPlans[size] = plan
    return plan
  }

  /// The windows that cover an image.
  package func tiling(height: Int, width: Int) -> MirroredTiling {
    plan(height: height, width: width).tiling(height: height, width: width)
  }
}

// MARK: - Windows

/// What is said of one pixel.
struct PixelPrediction {
  /// The probability of each class, valid during the call that shows it.
  let probabilities: UnsafePointer<Double>
  /// What the loss of a label is this number less: the log of the sum of the exponentials of scores.
  fileprivate let logSum: Double
  /// The scores of the one pass; nil for means.
  fileprivate let scores: UnsafePointer<Float>?

  /// -log p(label).
  @inline(__always)
  func loss(_ label: Int) -> Double {
    if let scores { return logSum - Double(scores[label]) }
    // A probability of 0 in Double would be an infinite loss.
    return -log(max(probabilities[label], .leastNormalMagnitude))
  }
}

extension TiledPredictor {
  /// The label of a pixel, as `ProbabilityMap` gives it, down to the rounding to Float.
  @inline(__always)
  func label(_ said: PixelPrediction) -> UInt8 {
    if let threshold { return Float(said.probabilities[1]) > threshold ? 1 : 0 }
    return firstLargest(classes) { Float(said.probabilities[$0]) }
  }

  /// Predicts a window of an image, and calls `body` with row and column in the image, what is said
  /// there, and the thread, for each pixel that the window decides; the team shares the rows.
  ///
  /// - Parameters:
  ///   - index: the window's number in the tiling.
  ///   - pixels: the image, or a rectangle of it that has the window's (`rectangle(of:in:)`).
  ///   - image: a number that tells images apart, for the masks of dropout; taken modulo 65,536.
  /// - Precondition: `tiling` is this predictor's for the image's size.
  func predict(
    window index: Int, of tiling: MirroredTiling, pixels: PixelRectangle, image: Int,
    softmax: borrowing PixelSoftmax,
    _ body: (_ y: Int, _ x: Int, _ said: PixelPrediction, _ thread: Int) -> Void
  ) throws(AllocationError) {
    let window = tiling.windows[index]
    // A mismatch would still find as many values as it expects in some images.
    precondition(
      pixels.channels == channels,
      "an image of \(pixels.channels) channels for networks of \(channels)")
    let plan = plan(height: tiling.height, width: tiling.width)
    let passes = members.indices.flatMap { member in
      averaging.passes(member: member, image: image, window: index).map { (member, $0) }
    }
    func scores(_ place: Int) throws(AllocationError) -> TensorView {
      let (member, pass) = passes[place]
      return try members[member].scores(
        window, of: tiling, tile: plan.tiles[member], pixels: pixels, pass: pass, on: team)
    }
    if passes.count == 1 {
      let scores = try scores(0)
      forEachPixel(of: window) { y, x, thread in
        let own = UnsafePointer(
          scores.pixel(y - window.rows.lowerBound, x - window.columns.lowerBound))
        let (probabilities, logSum) = softmax(own, thread: thread)
        body(
          y, x, PixelPrediction(probabilities: probabilities, logSum: logSum, scores: own), thread)
      }
      return
    }
    let (height, width, classes) = (
      plan.tiles[0].rows.side, plan.tiles[0].columns.side, classes
    )
    var means = [Double](repeating: 0, count: window.rows.count * window.columns.count * classes)
    func place(_ y: Int, _ x: Int) -> Int {
      ((y - window.rows.lowerBound) * window.columns.count + x - window.columns.lowerBound)
        * classes
    }
    try means.withUnsafeMutableBufferPointer { means throws(AllocationError) in
      for (index, (_, pass)) in passes.enumerated() {
        let scores = try scores(index)
        forEachPixel(of: window) { y, x, thread in
          let turned = pass.symmetry.place(
            y - window.rows.lowerBound, x - window.columns.lowerBound, height: height, width: width)
          let probabilities = softmax(
            UnsafePointer(scores.pixel(turned.row, turned.column)), thread: thread
          ).probabilities
          let target = place(y, x)
          for k in 0..<classes { means[target + k] += probabilities[k] }
        }
      }
      for place in means.indices { means[place] /= Double(passes.count) }
      guard let base = means.baseAddress else { return }
      forEachPixel(of: window) { y, x, thread in
        body(
          y, x,
          PixelPrediction(
            probabilities: UnsafePointer(base + place(y, x)), logSum: 0, scores: nil), thread)
      }
    }
  }

  /// The rows and columns of the image that the tiles of all networks around a window show.
  package func rectangle(
    of index: Int, in tiling: MirroredTiling
  ) -> (rows: Range<Int>, columns: Range<Int>) {
    let parts = plan(height: tiling.height, width: tiling.width).tiles.map {
      tiling.rectangle(
        tiling.windows[index], tileRows: $0.rows, tileColumns: $0.columns)
    }
    func union(_ ranges: [Range<Int>]) -> Range<Int> {
      (ranges.map(\.lowerBound).min() ?? 0)..<(ranges.map(\.upperBound).max() ?? 0)
    }
    return (union(parts.map(\.rows)), union(parts.map(\.columns)))
  }

  private func forEachPixel(
    of window: MirroredTiling.Window, _ body: (_ y: Int, _ x: Int, _ thread: Int) -> Void
  ) {
    withoutActuallyEscaping(body) { body in
      team.forEach(window.rows.count, body) { body, row, thread in
        let y = window.rows.lowerBound + row
        for x in window.columns { body(y, x, thread) }
      }
    }
  }
}

// MARK: - Whole images

extension TiledPredictor {
  /// The probabilities of the classes in each pixel of an image.
  ///
  /// - Precondition: the image has the networks' channels.
  package func probabilities(of image: DatasetImage) throws(AllocationError) -> ProbabilityMap {
    try probabilities(
      height: image.height, width: image.width, channels: image.channels, pixels: image.pixels,
      image: image.id)
  }

  /// The probabilities of the classes in each pixel of an image.
  ///
  /// `pixels` are normalised as for training, height x width x channels; `image` tells images apart, for
  /// the masks of dropout, and is taken modulo 65,536.
  ///
  /// - Precondition: the counts fit the size, and the image has the networks' channels.
  package func probabilities(
    height: Int, width: Int, channels: Int, pixels: [Float], image: Int = 0
  ) throws(AllocationError) -> ProbabilityMap {
    let pixels = PixelRectangle(
      height: height, width: width, channels: channels, values: pixels)
    let classes = classes
    let tiling = tiling(height: height, width: width)
    let softmax = PixelSoftmax(classes: classes, threads: team.count)
    var values = [Float](repeating: 0, count: height * width * classes)
    try values.withUnsafeMutableBufferPointer { values throws(AllocationError) in
      for window in tiling.windows.indices {
        try predict(window: window, of: tiling, pixels: pixels, image: image, softmax: softmax) {
          y, x, said, _ in
          let target = (y * width + x) * classes
          for k in 0..<classes { values[target + k] = Float(said.probabilities[k]) }
        }
      }
    }
    return ProbabilityMap(height: height, width: width, classes: classes, values: values)
  }

  /// The probabilities of the classes in each pixel of one window.
  ///
  /// - Precondition: as of the prediction of a window.
  func probabilities(
    window index: Int, of tiling: MirroredTiling, pixels: PixelRectangle, image: Int
  ) throws(AllocationError) -> ProbabilityMap {
    let window = tiling.windows[index]
    let (height, width, classes) = (window.rows.count, window.columns.count, classes)
    let softmax = PixelSoftmax(classes: classes, threads: team.count)
    var values = [Float](repeating: 0, count: height * width * classes)
    try values.withUnsafeMutableBufferPointer { values throws(AllocationError) in
      try predict(window: index, of: tiling, pixels: pixels, image: image, softmax: softmax) {
        y, x, said, _ in
        let target =
          ((y - window.rows.lowerBound) * width + x - window.columns.lowerBound) * classes
        for k in 0..<classes { values[target + k] = Float(said.probabilities[k]) }
      }
    }
    return ProbabilityMap(height: height, width: width, classes: classes, values: values)
  }
}
