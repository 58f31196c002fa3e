// `unet-dist export`.

import ArgumentParser
import Checkpoints
import Communication
import Configuration
import Datasets
import Export
import Files
import Imaging
import Network
import Threading

/// What a network can be exported as.
enum ExportFormat: String, ExpressibleByArgument, CaseIterable {
  case onnx
  case pytorch
  case bioimageio
}

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Writes a trained network for other programs.",
    discussion: """
      onnx is a file of opset 13 for ONNX Runtime, OpenVINO and others, with any batch, height and width \
      that the network takes. pytorch is a folder of unet.py and unet.safetensors. bioimageio is a package \
      of the BioImage Model Zoo (.zip), with test tensors from the sample image. Where a run kept moving \
      averages of the weights they are exported; --tta is for predict.
      """)

  @Option(
    help: "The checkpoint, or the folder of a run, of which it is the best.", completion: .file())
  var checkpoint: String
  @Option(help: "onnx, pytorch or bioimageio.")
  var format: ExportFormat
  @Option(help: "The file to write; for pytorch the folder.", completion: .file())
  var output: String

  @Flag(help: "onnx: give logits instead of probabilities.")
  var logits = false
  @Flag(
    help: """
      onnx: normalise intensities in the model, so that it takes stored values, or intensities in 0...1 \
      where its description says so.
      """)
  var normalize = false
  @Flag(
    help: """
      onnx: continue the image by its mirror image in the model, as predict does, so that it takes images of \
      any size and says as much as predict by one tile.
      """)
  var sameSize = false

  @Option(help: "bioimageio: an image that the network is for.", completion: .file())
  var sample: String?
  @Option(help: "bioimageio: the name of the model, of 5 to 128 letters, digits, spaces and _+-().")
  var name = "U-Net by unet-dist"
  @Option(help: "bioimageio: who made the model; may be given several times.")
  var author: [String] = []
  @Option(help: "bioimageio: its licence by SPDX, such as CC-BY-4.0.")
  var license: String?

  func validate() throws {
    let isPackage = format == .bioimageio
    for (option, isGiven) in [
      ("logits", logits), ("normalize", normalize), ("same-size", sameSize),
    ] where isGiven && format != .onnx {
      throw ValidationError(
        option, expected: "--format onnx, which it is for", found: quoted(format.rawValue),
        hint: "leave it out")
    }
    for (option, isGiven) in [
      ("sample", sample != nil), ("author", !author.isEmpty), ("license", license != nil),
    ] where isGiven != isPackage {
      throw isPackage
        ? ValidationError(
          option, expected: "a value, which a package needs", found: "none", hint: "give it")
        : ValidationError(
          option, expected: "--format bioimageio, which it is for", found: quoted(format.rawValue),
          hint: "leave it out")
    }
    if let license, !BioImagePackage.licences.contains(license) {
      throw ValidationError(
        "license",
        expected: "a licence by its name of SPDX, such as CC-BY-4.0, CC0-1.0, MIT or Apache-2.0",
        found: quoted(license), hint: "see spdx.org/licenses")
    }
    if isPackage, let fault = BioImagePackage.Description.fault(ofName: name) {
      throw ValidationError(
        "name", expected: "5 to 128 letters, digits, spaces and _+-()", found: fault)
    }
  }

  func run() throws {
    try runCommandOnce {
      let path = try Checkpoint.file(at: checkpoint)
      let trained = try ExportableNetwork(readingCheckpoint: path)
      var sizes = "heights and widths are \(trained.network.configuration.legalSizes)"
      switch format {
      case .onnx:
        var options = ONNXModel.Options()
        options.hasSoftmax = !logits
        options.normalizesIntensities = normalize
        options.isSameSize = sameSize
        try ONNXModel(trained, options, path: path).write(to: output)
        if sameSize { sizes = "heights and widths are any" }
      case .pytorch:
        try PyTorchModel.write(trained, to: output)
      case .bioimageio:
        try package(trained, path: path).write(to: output, on: ThreadTeam(count: 1))
      }
      try printText(
        "\(path), step \(trained.checkpoint.step), exported to \(output); \(sizes)\n".printableLines
      )
    }
  }

  private func package(_ trained: ExportableNetwork, path: String) throws -> BioImagePackage {
    // Both were checked before.
    let (samplePath, licence) = (sample ?? "", license ?? "")
    let stored = try ImageFile.read(samplePath)
    let channels = trained.network.configuration.inputChannels
    guard let image = stored.adapted(to: channels) else {
      throw ConfigurationError(
        option: "sample",
        expected: "\(channels) \(channels == 1 ? "channel" : "channels"), as the network has",
        found: "\(stored.channels)", hint: "convert the image",
        origin: .init(file: samplePath))
    }
    return BioImagePackage(
      trained, .init(name: name, authors: author, licence: licence), path: path, sample: image,
      samplePath: samplePath)
  }
}
