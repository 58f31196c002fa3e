// Small networks with random parameters, and pictures for them to see.

import Inference
import Network
import Randomness
import Tensors
import Threading

/// A small network with its initial parameters.
struct SmallNetwork {
  let network: UNet
  let parameters: FloatBuffer

  init(
    channels: Int = 1, classes: Int = 2, base: Int = 4, depth: Int = 2, padding: Padding = .valid,
    upsampling: Upsampling = .nearest, dropout: Float = 0.5
  ) {
    network = UNet(
      UNetConfiguration(
        inputChannels: channels, classes: classes, baseChannels: base, depth: depth,
        padding: padding, upsampling: upsampling, dropout: dropout))
    parameters = FloatBuffer(count: network.layout.count)
    network.initialize(parameters.base, seed: 11)
  }

  func predictor(tile: Int?, threads: Int = 1) -> TiledPredictor {
    TiledPredictor(
      network: network, parameters: parameters, tile: tile, threads: ThreadTeam(count: threads))
  }
}

/// Uniform values in -1..<1, height x width x channels.
func noise(height: Int, width: Int, channels: Int = 1, seed: UInt64 = 5) -> [Float] {
  var stream = RandomStream(seed: seed, purpose: .synthesis)
  return (0..<height * width * channels).map { _ in stream.uniform(in: -1..<1) }
}
