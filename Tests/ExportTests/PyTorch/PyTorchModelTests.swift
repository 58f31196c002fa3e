// The files for PyTorch; that they compute the same is what Scripts/check-export looks at.

import Export
import Files
import Network
import Tensors
import TestSupport
import Testing

@Suite struct PyTorchModelTests {
  @Test(arguments: architectures)
  func theFilesHaveEveryWeightAndTheArchitecture(_ configuration: UNetConfiguration) throws {
    try withTemporaryFolder { folder in
      let trained = try exportable(configuration)
      try PyTorchModel.write(trained, to: folder + "/model")
      let weights = try SafetensorsFile.read(folder + "/model/unet.safetensors")
      #expect(weights.names == trained.network.layout.parameters.map(\.name))
      for parameter in trained.network.layout.parameters {
        #expect(weights.shape(of: parameter.name) == parameter.shape)
        #expect(
          try weights.floats(of: parameter.name)
            == parameter.fileValues(from: trained.parameters.base))
      }
      let source = String(
        decoding: try InputFile.contents(of: folder + "/model/unet.py", limit: 1 << 16),
        as: UTF8.self)
      #expect(source.contains("CHANNELS, BASE, DEPTH = 3, 4, 2\n"))
      let padding: [Padding: String] = [
        .valid: "None", .zero: "\"constant\"", .mirror: "\"replicate\"",
      ]
      #expect(source.contains("PADDING = \(padding[configuration.padding] ?? "") "))
      #expect(
        source.contains("nn.ConvTranspose2d") == (configuration.upsampling == .transposed))
      #expect(source.contains("BatchNorm2d") == (configuration.normalization == .batch))
      // Python's blocks are what is indented: no line begins with a stray blank.
      #expect(
        source.split(separator: "\n").allSatisfy {
          $0.prefix { $0 == " " }.count.isMultiple(of: 4)
        })
      #expect(source.split(separator: "\n").count < 80)
    }
  }
}
