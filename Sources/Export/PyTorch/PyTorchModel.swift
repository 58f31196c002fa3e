// A network for PyTorch: its weights in a safetensors file, and the Python that builds it.

import Checkpoints
import Datasets
package import Files
import Network
import Tensors

/// A folder with `unet.safetensors` and `unet.py`, which builds the network and loads the weights.
package enum PyTorchModel {
  /// Writes both files into a folder, which is made where it is missing.
  package static func write(_ trained: ExportableNetwork, to folder: String) throws(FileError) {
    try Folder.make(folder)
    let base = trained.parameters.base
    let entries = trained.network.layout.parameters.map { parameter in
      SafetensorsFile.Entry(name: parameter.name, shape: parameter.shape) { values in
        parameter.copyFileValues(from: base, to: values)
      }
    }
    try SafetensorsFile.write(
      entries, metadata: ["format": "pt"], to: folder + "/unet.safetensors")
    try DurableFile.write(source(trained), to: folder + "/unet.py")
  }

  /// The Python file.
  static func source(_ trained: ExportableNetwork) -> String {
    let configuration = trained.configuration
    let padding =
      switch configuration.padding {
      case .valid: "None"
      case .zero: "\"constant\""
      case .mirror: "\"replicate\""
      }
    let normalization =
      switch configuration.normalization {
      case .none: "None"
      case .instance: "nn.InstanceNorm2d(channels, affine=True)"
      case .group:
        "nn.GroupNorm(channels // min(16, channels & -channels), channels)"
      case .batch: "nn.BatchNorm2d(channels)"
      }
    let border =
      configuration.margin == 0
      ? "as large" : "\(configuration.margin) pixels smaller on each side"
    let names = trained.classNames.map { JSONValue.text($0).json }
    return """
      \"\"\"A U-Net that unet-dist has trained, after step \(trained.checkpoint.step).

      The input is float32 [batch, \(configuration.inputChannels), height, width]; height and width: \
      \(configuration.legalSizes).
      \(trained.checkpoint.normalization.normalizedInputText)
      The output is logits [batch, \(configuration.classes), height, width], \(border); a channel is a class.

          model = load()
          probabilities = model(image).softmax(dim=1)
      \"\"\"

      from pathlib import Path

      import torch
      import torch.nn.functional as F
      from safetensors.torch import load_file
      from torch import nn

      CLASSES = [\(names.joined(separator: ", "))]
      CHANNELS, BASE, DEPTH = \(configuration.inputChannels), \(configuration.baseChannels), \
      \(configuration.depth)
      PADDING = \(padding)  # of one pixel, so that "replicate" is the mirror image; None: no padding


      def normalization(channels):
          return \(normalization)


      class Unit(nn.Conv2d):
          \"\"\"A 3x3 convolution, normalization and ReLU.\"\"\"

          def __init__(self, inputs, outputs):
              super().__init__(inputs, outputs, kernel_size=3)
              self.norm = normalization(outputs)

          def forward(self, x):
              x = super().forward(F.pad(x, (1, 1, 1, 1), PADDING) if PADDING else x)
              return F.relu(self.norm(x) if self.norm else x)

      \(upConvolution(configuration))

      class UNet(nn.Module):
          def __init__(self):
              super().__init__()
              widths = [BASE << level for level in range(DEPTH + 1)]
              self.down = nn.ModuleList(
                  nn.ModuleDict({"conv1": Unit(inputs, width), "conv2": Unit(width, width)})
                  for inputs, width in zip([CHANNELS] + widths, widths))
              self.up = nn.ModuleList(
                  nn.ModuleDict({
                      "upconv": UpConvolution(2 * width, width),
                      "conv1": Unit(2 * width, width), "conv2": Unit(width, width)})
                  for width in widths[:-1])
              self.head = nn.Conv2d(BASE, len(CLASSES), kernel_size=1)

          def forward(self, x):
              skips = []
              for level, stage in enumerate(self.down):
                  x = stage["conv2"](stage["conv1"](F.max_pool2d(x, 2) if level else x))
                  skips.append(x)
              for stage, skip in zip(reversed(self.up), reversed(skips[:-1])):
                  x = stage["upconv"](x)
                  margin = (skip.shape[-1] - x.shape[-1]) // 2
                  skip = skip[..., margin:margin + x.shape[-2], margin:margin + x.shape[-1]]
                  x = stage["conv2"](stage["conv1"](torch.cat([skip, x], dim=1)))
              return self.head(x)


      def load(path=Path(__file__).with_name("unet.safetensors")):
          model = UNet()
          model.load_state_dict(load_file(path))
          return model.eval()

      """
  }

  /// The class of the up-convolutions, between empty lines.
  private static func upConvolution(_ configuration: UNetConfiguration) -> String {
    switch configuration.upsampling {
    case .nearest:
      """

      class UpConvolution(nn.Conv2d):
          \"\"\"Every pixel becomes 2x2, then a 2x2 convolution sees the pixels behind.\"\"\"

          def __init__(self, inputs, outputs):
              super().__init__(inputs, outputs, kernel_size=2)

          def forward(self, x):
              x = F.interpolate(x, scale_factor=2, mode="nearest")
              return super().forward(F.pad(x, (0, 1, 0, 1), PADDING or "constant"))

      """
    case .transposed:
      """

      class UpConvolution(nn.ConvTranspose2d):
          def __init__(self, inputs, outputs):
              super().__init__(inputs, outputs, kernel_size=2, stride=2)

      """
    }
  }
}
