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
    upsampling: Upsampling = .nearest, dropout: Float = 0.5, seed: UInt64 = 11
  ) {
    network = UNet(
      UNetConfiguration(
        inputChannels: channels, classes: classes, baseChannels: base, depth: depth,
        padding: padding, upsampling: upsampling, dropout: dropout))
    parameters = FloatBuffer(count: network.layout.count)
    network.initialize(parameters.base, seed: seed)
  }

  var member: TrainedMember { TrainedMember(network, parameters: parameters) }

  func predictor(
    tile: Int?, averaging: Averaging = .none, threads: Int = 1
  ) -> TiledPredictor {
    TiledPredictor(
      [member], tile: tile, averaging: averaging, threads: ThreadTeam(count: threads))
  }
}

/// Uniform values in -1..<1, height x width x channels.
func noise(height: Int, width: Int, channels: Int = 1, seed: UInt64 = 5) -> [Float] {
  var stream = RandomStream(seed: seed, purpose: .synthesis)
  return (0..<height * width * channels).map { _ in stream.uniform(in: -1..<1) }
}
