// What is fuzzed: every reader of files that come from elsewhere.

import Annotations
import Checkpoints
import Configuration
import Datasets
import Files
import Foundation
import Imaging

/// A reader of files, which has to return or throw whatever bytes a file has.
package enum FuzzSubject: String, CaseIterable, Sendable {
  case safetensors
  case checkpoint
  case yaml
  case classNames = "class-names"
  case manifest
  case split
  case coco
  case regions
  case archive
  case png
  case tiff
  case jpeg
  case jpeg2000
  case bitmap
  case nifti
  case numPy = "numpy"

  /// How the subject's files end.
  package var ending: String {
    switch self {
    case .safetensors, .checkpoint: "safetensors"
    case .yaml: "yaml"
    case .classNames, .coco: "json"
    case .manifest: "csv"
    case .split: "json"
    case .regions: "roi"
    case .archive: "zip"
    case .png: "png"
    case .tiff: "tif"
    case .jpeg: "jpg"
    case .jpeg2000: "jp2"
    case .bitmap: "bmp"
    case .nifti: "nii"
    case .numPy: "npy"
    }
  }

  /// Pages of a file that are read: all are read alike.
  private static let pageLimit = 3

  /// Reads `bytes` as a file in `folder`, which holds nothing else; an error is as good as a result.
  ///
  /// - Throws: what is no error of a file.
  package func read(_ bytes: [UInt8], in folder: String) throws {
    let path = "\(folder)/\(self == .classNames ? "classes" : "input").\(ending)"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    do {
      try read(path, bytes, folder)
    } catch is FileError {
    } catch is ConfigurationError {}
  }

  private func read(_ path: String, _ bytes: [UInt8], _ folder: String) throws {
    switch self {
    case .safetensors: _ = try SafetensorsFile.read(path)
    case .checkpoint: _ = try Checkpoint.read(path)
    case .yaml: _ = try TrainingConfiguration(file: path)
    case .classNames:
      // A set of one image beside it.
      try Self.put(sample, in: folder)
      let index = try SampleIndex.folder(folder)
      _ = try ClassMapping(scanning: index)
    case .manifest: _ = try SampleIndex.folder(path)
    case .split: _ = try SplitFile(text: String(decoding: bytes, as: UTF8.self), path: path)
    case .coco: _ = try AnnotationSource.read(path)
    case .regions, .archive:
      try Self.put(sample, in: folder)
      let output = folder + "/out"
      try? FileManager.default.removeItem(atPath: output)
      let set = try AnnotationSource.read(path, images: folder + "/images")
      _ = try AnnotationImport(set, to: output)
    case .tiff:
      try readImages(path)
      for purpose in [ImageFile.Purpose.image, .mask] {
        guard let image = try WindowedImage(path, page: 0, as: purpose) else { return }
        _ = try image.part(
          rows: image.height / 2..<min(image.height, image.height / 2 + 64),
          columns: image.width / 2..<min(image.width, image.width / 2 + 64))
      }
    case .png, .jpeg, .jpeg2000, .bitmap, .nifti, .numPy: try readImages(path)
    }
  }

  private func readImages(_ path: String) throws {
    for page in 0..<min(Self.pageLimit, try ImageFile.pageCount(path)) {
      for purpose in [ImageFile.Purpose.image, .mask] {
        _ = try ImageFile.read(path, page: page, as: purpose)
      }
    }
  }

  private var sample: Image {
    Image(
      width: 4, height: 4, channels: 1, bitsPerSample: 8,
      samples: .uint8((0..<16).map { UInt8($0 / 8 * 255) }))
  }

  private static func put(_ sample: Image, in folder: String) throws {
    for part in ["images", "masks"] {
      let path = "\(folder)/\(part)/input.png"
      guard !FileManager.default.fileExists(atPath: path) else { continue }
      try FileManager.default.createDirectory(
        atPath: "\(folder)/\(part)", withIntermediateDirectories: true)
      try PNGFile.write(sample, to: path)
    }
  }
}
