// What the network itself says of a tile, which other programs are compared with.

import Checkpoints
import Datasets
import Files
import Imaging
import Inference
import Network
import Tensors
import Threading

extension ExportableNetwork {
  /// The probabilities of an image that is one tile: classes x rows x columns of the output.
  ///
  /// - Throws: `FileError` naming `path` for intensities that cannot be normalised; `AllocationError`.
  /// - Precondition: the image has the network's channels and a legal size.
  func probabilities(of image: Image, path: String, on team: ThreadTeam) throws -> Tile {
    var inputs = try checkpoint.normalization.normalized(image, path: path)
    let activations = try UNetActivations(
      network, height: image.height, width: image.width, training: false, threads: team.count)
    inputs.withUnsafeMutableBufferPointer { inputs in
      guard let base = inputs.baseAddress else { preconditionFailure("an image without pixels") }
      network.forward(
        TensorView(base: base, shape: activations.input), parameters: parameters.base,
        activations: activations, on: team)
    }
    let logits = activations.logits
    let (height, width) = (logits.shape.height, logits.shape.width)
    var tile = Tile(
      height: height, width: width,
      values: [Float](repeating: 0, count: logits.shape.channels * height * width))
    let softmax = PixelSoftmax(classes: logits.shape.channels, threads: 1)
    for y in 0..<height {
      for x in 0..<width {
        let (probabilities, _) = softmax(logits.pixel(y, x), thread: 0)
        for label in 0..<logits.shape.channels {
          tile.values[(label * height + y) * width + x] = Float(probabilities[label])
        }
      }
    }
    return tile
  }

  /// Values of each class of a tile's output.
  struct Tile {
    let height: Int
    let width: Int
    /// Classes x rows x columns.
    var values: [Float]

    /// The most probable class of each pixel, the first of equal ones.
    var labels: [UInt8] {
      let pixels = height * width
      return (0..<pixels).map { pixel in
        var best = 0
        for label in 1..<values.count / pixels
        where values[label * pixels + pixel] > values[best * pixels + pixel] { best = label }
        return UInt8(best)
      }
    }
  }
}

extension Image {
  /// The stored values: channels x rows x columns.
  var storedValues: [Float] {
    let (unit, pixels) = (unit, width * height)
    let intensities = intensities()
    return (0..<channels).flatMap { channel in
      (0..<pixels).map { pixel in
        let intensity = intensities[pixel * channels + channel]
        // Unsigned integers were divided by their largest.
        return unit == 1 ? intensity : (intensity * unit).rounded()
      }
    }
  }

  /// The centre, continued by its mirror image where it is larger than the image.
  func centre(height: Int, width: Int) -> Image {
    part(
      rows: BorderRule.mirrored(
        from: (self.height - height) / 2, length: height, count: self.height),
      columns: BorderRule.mirrored(
        from: (self.width - width) / 2, length: width, count: self.width))
  }
}
