// A folder of image files that a test makes and that disappears with it.

import Datasets
import Foundation
import Imaging
import TestSupport

/// A fresh folder under the system's temporary folder, removed when the value is released.
final class TemporaryFolder {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("datasets-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  /// The absolute path of a file here, its folder made where it is missing.
  @discardableResult
  func place(_ name: String) throws -> String {
    let url = URL(fileURLWithPath: path).appendingPathComponent(name)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    return url.path
  }

  @discardableResult
  func text(_ name: String, _ text: String) throws -> String {
    let path = try place(name)
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return path
  }

  @discardableResult
  func png(_ name: String, _ image: Image) throws -> String {
    let path = try place(name)
    // The writer may insist on its own extension, which is not what is tested here.
    let written = try place(name + ".written.png")
    try PNGFile.write(image, to: written)
    try FileManager.default.moveItem(atPath: written, toPath: path)
    return path
  }

  /// A grey PNG of these rows.
  @discardableResult
  func grey(_ name: String, _ rows: [[UInt8]] = [[0, 1], [1, 0]]) throws -> String {
    try png(name, .grey(rows))
  }

  /// An uncompressed 8-bit grey TIFF with a page for each image.
  @discardableResult
  func tiff(_ name: String, pages: [[[UInt8]]]) throws -> String {
    let bytes = TIFFBytes.file(pages.map { TIFFPage(grey: $0) })
    let path = try place(name)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }
}

extension TemporaryFolder {
  /// An uncompressed TIFF of one image, whose GDAL_NODATA is `noData`.
  @discardableResult
  func tiff(_ name: String, _ image: Image, noData: String) throws -> String {
    let isFloat = if case .float32 = image.samples { true } else { false }
    let format = [Int](repeating: isFloat ? 3 : 1, count: image.channels)
    let page = TIFFPage(
      image.width, image.height, bits: image.bitsPerSample, channels: image.channels,
      photometric: image.channels == 3 ? 2 : 1,
      strips: [image.samples.withUnsafeBytes { Array($0) }],
      [339: .shorts(format), 42_113: .text(noData)])
    let path = try place(name)
    try Data(TIFFBytes.file([page])).write(to: URL(fileURLWithPath: path))
    return path
  }
}

extension Image {
  /// An 8-bit grey image of these rows.
  static func grey(_ rows: [[UInt8]]) -> Image {
    Image(
      width: rows[0].count, height: rows.count, channels: 1, bitsPerSample: 8,
      samples: .uint8(rows.flatMap(\.self)))
  }

  /// An 8-bit RGB image of these pixels.
  static func colour(width: Int, _ pixels: [[UInt8]]) -> Image {
    Image(
      width: width, height: pixels.count / width, channels: 3, bitsPerSample: 8,
      samples: .uint8(pixels.flatMap(\.self)))
  }
}

extension Decoding {
  /// A decoding whose inputs are the intensities.
  static var unchanged: Decoding {
    Decoding(DecodedForm(normalization: IntensityNormalization(rule: .unchanged)))
  }
}
