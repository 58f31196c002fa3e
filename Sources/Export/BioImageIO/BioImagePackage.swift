// A network as a package of the BioImage Model Zoo: for deepImageJ, Ilastik, QuPath, bioimageio.core and others.

import Checkpoints
import Datasets
import Files
package import Foundation
package import Imaging
import Inference
import Network
import Tensors
package import Threading

/// A package of BioImage.IO: an archive of the model in ONNX, its description, a test and a sample.
///
/// Source: the model description 0.5 (bioimage-io.github.io/spec-bioimage-io). Its test tensors are the
/// stored values of a part of an image, and what this program says of it.
package struct BioImagePackage {
  /// What nobody but its author can say of a network.
  package struct Description: Sendable {
    /// The name: 5 to 128 letters, digits, spaces, underscores, hyphens, plus signs and parentheses.
    package var name: String
    /// Who made it.
    package var authors: [String]
    /// An SPDX licence, such as CC-BY-4.0.
    package var licence: String

    /// A description from its parts.
    package init(name: String, authors: [String], licence: String) {
      self.name = name
      self.authors = authors
      self.licence = licence
    }

    /// What is wrong with the name, or nil.
    package static func fault(ofName name: String) -> String? {
      let others = name.unicodeScalars.filter {
        !($0.isASCII && ($0.properties.isAlphabetic || $0.properties.numericType != nil))
          && !"_+- ()".unicodeScalars.contains($0)
      }
      return (5...128).contains(name.count) && others.isEmpty ? nil : "\"\(name)\""
    }
  }

  private let trained: ExportableNetwork
  private let description: Description
  private let path: String
  private let sample: Image
  private let samplePath: String
  private let date: Date

  /// A package of the network of the checkpoint at `path`, with a sample image.
  ///
  /// - Precondition: the sample has the network's channels.
  package init(
    _ trained: ExportableNetwork, _ description: Description, path: String, sample: Image,
    samplePath: String, date: Date = Date()
  ) {
    self.trained = trained
    self.description = description
    self.path = path
    self.sample = sample
    self.samplePath = samplePath
    self.date = date
  }

  /// The files of a package, in the order of the archive.
  func files(on team: ThreadTeam) throws -> [ZipFile.Entry] {
    let shape = TensorSizes(trained.network)
    let input = sample.centre(height: shape.testSide, width: shape.testSide)
    let output = try trained.probabilities(of: input, path: samplePath, on: team)
    let testInput = NumPyFile.encoded(
      input.storedValues, shape: [1, input.channels, input.height, input.width])
    let testOutput = NumPyFile.encoded(
      output.values, shape: [1, trained.configuration.classes, output.height, output.width])
    let weights = try ONNXModel(trained, path: path).serialized(path: path)
    let (sampleName, sampleBytes) = try self.sampleFile()
    let description = ResourceDescription(
      trained: trained, description: description, sizes: shape, date: date, unit: sample.unit,
      sampleName: sampleName,
      digests: .init(
        weights: digest(weights), input: digest(testInput), output: digest(testOutput)))
    return try [
      ZipFile.Entry(name: "rdf.yaml", bytes: Array(description.yaml(path: path).utf8)),
      ZipFile.Entry(name: "README.md", bytes: Array(description.readme.utf8)),
      ZipFile.Entry(name: "weights.onnx", bytes: weights),
      ZipFile.Entry(name: "test-input.npy", bytes: testInput),
      ZipFile.Entry(name: "test-output.npy", bytes: testOutput),
      ZipFile.Entry(name: sampleName, bytes: sampleBytes),
      ZipFile.Entry(name: "cover.png", bytes: PNGFile.encoded(cover(input, output))),
    ]
  }

  /// Writes the archive, replacing the file at `path` as a whole.
  package func write(to output: String, on team: ThreadTeam) throws {
    try ZipFile.write(files(on: team), to: output)
  }

  private func digest(_ bytes: [UInt8]) -> String {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finalize().hexadecimal
  }

  /// The sample image as stored; as numbers where PNG does not hold them.
  private func sampleFile() throws -> (name: String, bytes: [UInt8]) {
    if sample.channels == 1 || sample.channels == 3 {
      switch sample.samples {
      case .uint8, .uint16: return ("sample.png", try PNGFile.encoded(sample))
      default: break
      }
    }
    return (
      "sample.npy",
      NumPyFile.encoded(
        sample.storedValues, shape: [1, sample.channels, sample.height, sample.width])
    )
  }

  /// The image beside the same with its classes in colour, twice as wide as high.
  private func cover(_ input: Image, _ output: ExportableNetwork.Tile) -> Image {
    let image = input.centre(height: output.height, width: output.width)
    func picture(_ labels: [UInt8]) -> Image {
      SegmentationPictures.overlay(
        intensities: image.intensities(), channels: image.channels, labels: labels,
        width: image.width, height: image.height)
    }
    return Image.joinedSideBySide(
      picture([UInt8](repeating: 0, count: image.width * image.height)), picture(output.labels))
  }
}

extension Image {
  /// Two images of 8 bits and one height side by side.
  ///
  /// - Precondition: they have one height and as many channels, and samples of one byte.
  fileprivate static func joinedSideBySide(_ left: Image, _ right: Image) -> Image {
    guard left.height == right.height, left.channels == right.channels,
      case .uint8(let first) = left.samples, case .uint8(let second) = right.samples
    else { preconditionFailure("images that do not lie side by side") }
    let (rowOfLeft, rowOfRight) = (left.width * left.channels, right.width * right.channels)
    var rows: [UInt8] = []
    for y in 0..<left.height {
      rows += first[y * rowOfLeft..<(y + 1) * rowOfLeft]
      rows += second[y * rowOfRight..<(y + 1) * rowOfRight]
    }
    return Image(
      width: left.width + right.width, height: left.height, channels: left.channels,
      bitsPerSample: 8, samples: .uint8(rows))
  }
}
