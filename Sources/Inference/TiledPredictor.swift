// Prediction of whole images by overlapping tiles with mirrored borders.

package import Datasets
package import Network
package import Tensors
package import Threading

/// A network that sees images of any size, one tile at a time.
///
/// An image is covered by output windows; the tile around each shows the image in its context, and
/// beyond the image's border its mirror image (Ronneberger et al. 2015, figure 2). Without padding
/// the output of the network is what a window takes. With padding only the centre of the output is
/// taken, because near the border of a tile the network saw padding where the image goes on.
///
/// Two plans say the same of a pixel, but for rounding, where their windows begin at whole pixels
/// of the bottleneck; elsewhere the poolings of a U-Net fall otherwise. With nearest-neighbour
/// doubling the last 2^depth - 1 rows and columns of a window are an exception: the 2x2
/// convolutions see padding beyond the end of their input, so these depend on where the window
/// ends.
///
/// The parameters are read at each call, so that a predictor serves a network while it is trained.
/// One call at a time.
package final class TiledPredictor {
  /// The network.
  package let network: UNet

  let team: ThreadTeam
  private let parameters: FloatBuffer
  /// The plan of every image, or nil for the best one of each.
  private let fixedPlan: TilePlan?
  /// The best plans of the sizes seen so far.
  private var bestPlans: [ImageShape: TilePlan] = [:]
  /// The memory of the tiles seen last.
  private var memory: TileMemory?
  /// Whether predictions are means over the symmetries of tiles.
  private let averagesSymmetries: Bool
  /// The mean scores of the window seen last.
  private var meanScores: FloatBuffer?

  /// What a tile takes: its pixels and the network's activations.
  private struct TileMemory {
    let pixels: FloatBuffer
    let activations: UNetActivations

    init(_ activations: UNetActivations) throws(AllocationError) {
      self.activations = activations
      pixels = try FloatBuffer(count: activations.input.count, for: "the pixels of a tile")
    }
  }

  /// A predictor by square tiles of side `tile`, or by the best plan for each image where it is nil.
  ///
  /// Memory is allocated for the first tile, and anew where an image needs tiles of another size.
  /// A predictor that `averagesSymmetries` runs the network eight times for each tile; see
  /// `meanLogits`.
  ///
  /// - Precondition: `parameters` are those of the network, and the tile is legal for it.
  package init(
    network: UNet, parameters: FloatBuffer, tile: Int?, averagesSymmetries: Bool = false,
    threads team: ThreadTeam
  ) {
    self.averagesSymmetries = averagesSymmetries
    Self.check(parameters, of: network)
    self.network = network
    self.parameters = parameters
    self.team = team
    fixedPlan = tile.map { TilePlan(square: $0, for: network.configuration) }
  }

  /// A predictor that works in memory which others use between its calls, as training does.
  ///
  /// - Precondition: `parameters` are those of the network, and `activations` are the network's, for
  ///   square tiles and at least as many threads.
  package init(
    network: UNet, parameters: FloatBuffer, activations: UNetActivations, threads team: ThreadTeam
  ) throws(AllocationError) {
    averagesSymmetries = false
    Self.check(parameters, of: network)
    precondition(
      activations.input.height == activations.input.width, "tiles of \(activations.input)")
    self.network = network
    self.parameters = parameters
    self.team = team
    fixedPlan = TilePlan(square: activations.input.height, for: network.configuration)
    memory = try TileMemory(activations)
  }

  private static func check(_ parameters: FloatBuffer, of network: UNet) {
    precondition(
      parameters.count == network.layout.count,
      "\(parameters.count) parameters for a network of \(network.layout.count)")
  }

  /// The tiles by which an image of this size is predicted.
  package func plan(height: Int, width: Int) -> TilePlan {
    if let fixedPlan { return fixedPlan }
    let size = ImageShape(height: height, width: width, channels: 1)
    if let plan = bestPlans[size] { return plan }
    let plan = TilePlan.best(for: network, height: height, width: width)
    bestPlans[size] = plan
    return plan
  }

  /// The windows that cover an image.
  package func tiling(height: Int, width: Int) -> MirroredTiling {
    plan(height: height, width: width).tiling(height: height, width: width)
  }

  /// Runs the network on the tile around a window of an image.
  ///
  /// `pixels` is the image, height x width x channels.
  ///
  /// - Returns: the scores of the window, its rows x columns x classes; the first one is that of the
  ///   pixel (window.row, window.column). The next call overwrites them.
  /// - Precondition: `tiling` is this predictor's for the image's size.
  package func logits(
    _ window: MirroredTiling.Window, of tiling: MirroredTiling, pixels: [Float],
    dropout: DropoutKey? = nil
  ) throws(AllocationError) -> TensorView {
    if averagesSymmetries {
      precondition(dropout == nil, "means over symmetries and over dropout at once")
      return try meanLogits(window, of: tiling, pixels: pixels)
    }
    let memory = try memory(rows: tiling.tileRows, columns: tiling.tileColumns)
    let channels = network.configuration.inputChannels
    tiling.extract(window, of: pixels, channels: channels, to: memory.pixels.base)
    return try logitsOfTile(of: tiling, dropout: dropout)
  }

  /// Runs the network on a tile of these sides, which `fill` writes: rows x columns x channels.
  func logits(
    rows: TileShape, columns: TileShape, fill: (UnsafeMutablePointer<Float>) -> Void
  ) throws(AllocationError) -> TensorView {
    fill(try memory(rows: rows, columns: columns).pixels.base)
    return try logitsOfTile(rows: rows, columns: columns, dropout: nil)
  }

  /// Keeps what a view of scores shows until the next window.
  func keep(_ scores: FloatBuffer) { meanScores = scores }

  /// Runs the network on the tile that was extracted last.
  func logitsOfTile(
    of tiling: MirroredTiling, dropout: DropoutKey?
  ) throws(AllocationError) -> TensorView {
    try logitsOfTile(rows: tiling.tileRows, columns: tiling.tileColumns, dropout: dropout)
  }

  private func logitsOfTile(
    rows: TileShape, columns: TileShape, dropout: DropoutKey?
  ) throws(AllocationError) -> TensorView {
    let memory = try memory(rows: rows, columns: columns)
    network.forward(
      TensorView(base: memory.pixels.base, shape: memory.activations.input),
      parameters: parameters.base, activations: memory.activations, dropout: dropout, on: team)
    return memory.activations.logits.centred(
      height: rows.outputSide, width: columns.outputSide)
  }

  /// The memory for tiles of these sides; that of the last ones where it fits.
  private func memory(
    rows: TileShape, columns: TileShape
  ) throws(AllocationError) -> TileMemory {
    let (height, width) = (rows.inputSide, columns.inputSide)
    if let memory, memory.activations.input.height == height,
      memory.activations.input.width == width
    {
      return memory
    }
    precondition(fixedPlan == nil || memory == nil, "tiles of \(width) x \(height)")
    // The old memory goes first, so that there are never two.
    memory = nil
    let fresh = try TileMemory(
      UNetActivations(
        network, height: height, width: width, training: false, threads: team.count))
    memory = fresh
    return fresh
  }
}

// MARK: - Whole images

extension TiledPredictor {
  /// The probabilities of the classes in each pixel of an image, without dropout.
  ///
  /// - Precondition: the image has the network's channels.
  package func probabilities(of image: DatasetImage) throws(AllocationError) -> ProbabilityMap {
    try probabilities(
      height: image.height, width: image.width, channels: image.channels, pixels: image.pixels)
  }

  /// The probabilities of the classes in each pixel of an image, without dropout.
  ///
  /// `pixels` are normalised as for training, height x width x channels.
  ///
  /// - Precondition: the counts fit the size, and the image has the network's channels.
  package func probabilities(
    height: Int, width: Int, channels: Int, pixels: [Float]
  ) throws(AllocationError) -> ProbabilityMap {
    check(channels: channels)
    let classes = network.configuration.classes
    let tiling = tiling(height: height, width: width)
    let softmax = PixelSoftmax(classes: classes, threads: team.count)
    var values = [Float](repeating: 0, count: height * width * classes)
    for window in tiling.windows {
      let logits = try logits(window, of: tiling, pixels: pixels)
      values.withUnsafeMutableBufferPointer { values in
        forEachOwnPixel(of: window, in: logits) { y, x, scores, thread in
          let probabilities = softmax(scores, thread: thread).probabilities
          let target = (y * width + x) * classes
          for k in 0..<classes { values[target + k] = Float(probabilities[k]) }
        }
      }
    }
    return ProbabilityMap(height: height, width: width, classes: classes, values: values)
  }

  /// Calls `body` with row and column in the image, scores and thread of each pixel that a window
  /// decides; the team shares the rows.
  func forEachOwnPixel(
    of window: MirroredTiling.Window, in logits: TensorView,
    _ body: (_ y: Int, _ x: Int, _ scores: UnsafePointer<Float>, _ thread: Int) -> Void
  ) {
    withoutActuallyEscaping(body) { body in
      team.forEach(window.ownRows.count, body) { body, row, thread in
        let y = window.ownRows.lowerBound + row
        for x in window.ownColumns {
          body(y, x, UnsafePointer(logits.pixel(y - window.row, x - window.column)), thread)
        }
      }
    }
  }

  /// A mismatch would still find as many values as it expects in some images.
  func check(channels: Int) {
    precondition(
      channels == network.configuration.inputChannels,
      "an image of \(channels) channels for a network of \(network.configuration.inputChannels)")
  }
}
