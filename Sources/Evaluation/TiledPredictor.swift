// Prediction of whole images by overlapping tiles with mirrored borders.

import Datasets
import Network
import Tensors
import Threading

/// A network that sees images of any size, one tile at a time.
///
/// An image is covered by output windows; the tile around each shows the image in its context, and
/// beyond the image's border its mirror image (Ronneberger et al. 2015, figure 2). Without padding
/// the output of the network is what a window takes. With padding only the centre of the output is
/// taken, because near the border of a tile the network saw padding where the image goes on.
///
/// The parameters are read at each call, so that a predictor serves a network while it is trained.
/// One call at a time.
public final class TiledPredictor {
  /// The network.
  public let network: UNet
  /// The sides of the tile and of the window in its centre.
  public let shape: TileShape

  let team: ThreadTeam
  private let parameters: FloatBuffer
  private let activations: UNetActivations
  private let tile: FloatBuffer

  /// A predictor with memory for tiles of side `tile`.
  ///
  /// - Precondition: `parameters` are those of the network, and the tile is legal for it.
  public convenience init(
    network: UNet, parameters: FloatBuffer, tile: Int, threads team: ThreadTeam
  ) {
    self.init(
      network: network, parameters: parameters,
      activations: UNetActivations(
        network, height: tile, width: tile, training: false, threads: team.count),
      threads: team)
  }

  /// A predictor that works in memory which others use between its calls, as training does.
  ///
  /// - Precondition: `parameters` are those of the network, and `activations` are the network's, for
  ///   square tiles and at least as many threads.
  public init(
    network: UNet, parameters: FloatBuffer, activations: UNetActivations, threads team: ThreadTeam
  ) {
    precondition(
      parameters.count == network.layout.count,
      "\(parameters.count) parameters for a network of \(network.layout.count)")
    precondition(
      activations.input.height == activations.input.width, "tiles of \(activations.input)")
    self.network = network
    self.parameters = parameters
    self.activations = activations
    self.team = team
    shape = Self.shape(network.configuration, tile: activations.input.height)
    tile = FloatBuffer(count: activations.input.count)
  }

  /// The sides for tiles of `tile` pixels.
  ///
  /// With padding the context is what the same network would take off without padding and two more,
  /// because its poolings begin at the tile's edge, not two pixels inside; then padding reaches the
  /// window through no layer but a 2x2 convolution after nearest doubling. It is rounded up to whole
  /// pixels of the bridge, so that windows side by side lie on the grid of the poolings, on which a
  /// U-Net sees the same thing the same way; and it is at most a quarter of the tile a side, so that
  /// at least a quarter of the tile's pixels are the window's.
  private static func shape(_ configuration: UNetConfiguration, tile: Int) -> TileShape {
    guard let outputSide = configuration.outputSide(tile: tile) else {
      preconditionFailure("a tile of \(tile), which is not legal")
    }
    guard configuration.padding != .valid else {
      return TileShape(inputSide: tile, outputSide: outputSide)
    }
    var unpadded = configuration
    unpadded.padding = .valid
    let bridgePixel = 1 << configuration.depth
    let needed = (unpadded.margin + 2 + bridgePixel - 1) / bridgePixel * bridgePixel
    let affordable = tile / 4 / (bridgePixel / 2) * (bridgePixel / 2)
    return TileShape(inputSide: tile, outputSide: tile - 2 * min(needed, affordable))
  }

  /// The windows that cover an image.
  public func tiling(height: Int, width: Int) -> MirroredTiling {
    MirroredTiling(height: height, width: width, tile: shape)
  }

  /// Runs the network on the tile around a window of an image.
  ///
  /// `pixels` is the image, height x width x channels.
  ///
  /// - Returns: the scores of the window, outputSide x outputSide x classes; the first one is that
  ///   of the pixel (window.row, window.column). The next call overwrites them.
  /// - Precondition: `tiling` is this predictor's for the image's size.
  public func logits(
    _ window: MirroredTiling.Window, of tiling: MirroredTiling, pixels: [Float],
    dropout: DropoutKey? = nil
  ) -> TensorView {
    precondition(tiling.tile == shape, "a tiling by \(tiling.tile) for a predictor by \(shape)")
    let channels = network.configuration.inputChannels
    tiling.extract(window, of: pixels, channels: channels, to: tile.base)
    return logitsOfTile(dropout: dropout)
  }

  /// Runs the network on the tile that was extracted last.
  func logitsOfTile(dropout: DropoutKey?) -> TensorView {
    network.forward(
      TensorView(base: tile.base, shape: activations.input), parameters: parameters.base,
      activations: activations, dropout: dropout, on: team)
    return activations.logits.centred(height: shape.outputSide, width: shape.outputSide)
  }
}

// MARK: - Whole images

extension TiledPredictor {
  /// The probabilities of the classes in each pixel of an image, without dropout.
  ///
  /// - Precondition: the image has the network's channels.
  public func probabilities(of image: DatasetImage) -> ProbabilityMap {
    probabilities(
      height: image.height, width: image.width, channels: image.channels, pixels: image.pixels)
  }

  /// The probabilities of the classes in each pixel of an image, without dropout.
  ///
  /// `pixels` are normalised as for training, height x width x channels.
  ///
  /// - Precondition: the counts fit the size, and the image has the network's channels.
  public func probabilities(
    height: Int, width: Int, channels: Int, pixels: [Float]
  ) -> ProbabilityMap {
    check(channels: channels)
    let classes = network.configuration.classes
    let tiling = tiling(height: height, width: width)
    let softmax = PixelSoftmax(classes: classes, threads: team.count)
    var values = [Float](repeating: 0, count: height * width * classes)
    for window in tiling.windows {
      let logits = logits(window, of: tiling, pixels: pixels)
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
