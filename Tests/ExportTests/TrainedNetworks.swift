// Networks for tests of export: small, with random weights.

import Checkpoints
import Datasets
import Export
import Network
import Tensors
import TestSupport

/// A network with weights of a seed, and statistics that are not those at the start.
func exportable(
  _ configuration: UNetConfiguration, normalization: IntensityNormalization = .init()
) throws -> ExportableNetwork {
  var checkpoint = try Checkpoint.read(Fixtures.path("checkpoint-format-1")).checkpoint
  checkpoint.network = configuration
  checkpoint.normalization = normalization
  let network = UNet(configuration)
  let parameters = FloatBuffer(count: network.layout.count)
  network.initialize(parameters.base, seed: 5)
  for (place, parameter) in network.layout.parameters.enumerated() where parameter.fanIn == nil {
    for index in 0..<parameter.slot.count {
      parameters.base[parameter.slot.offset + index] = 1 + Float(place + index) / 64
    }
  }
  return ExportableNetwork(checkpoint, parameters: parameters)
}

/// All ways to pad, to upsample and to normalize.
let architectures: [UNetConfiguration] = Padding.allCases.flatMap { padding in
  Upsampling.allCases.flatMap { upsampling in
    Normalization.allCases.map { normalization in
      UNetConfiguration(
        inputChannels: 3, classes: 4, baseChannels: 4, depth: 2, padding: padding,
        upsampling: upsampling, normalization: normalization)
    }
  }
}
