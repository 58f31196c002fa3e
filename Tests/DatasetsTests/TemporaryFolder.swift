// A folder of image files that a test makes and that disappears with it.

import Datasets
import Foundation
import Imaging

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
    var bytes: [UInt8] = [0x49, 0x49, 42, 0]
    func append(_ value: Int, byteCount: Int) {
      for byte in 0..<byteCount { bytes.append(UInt8(value >> (8 * byte) & 0xFF)) }
    }
    let entryCount = 9
    for rows in pages {
      let pixels = rows.flatMap(\.self)
      let padding = pixels.count % 2
      // The offset of this page's directory, in the header or at the end of the previous one.
      append(bytes.count + 4 + pixels.count + padding, byteCount: 4)
      let strip = bytes.count
      bytes += pixels + Array(repeating: 0, count: padding)
      append(entryCount, byteCount: 2)
      let fields = [
        (256, rows[0].count), (257, rows.count), (258, 8), (259, 1), (262, 1), (273, strip),
        (277, 1), (278, rows.count), (279, pixels.count),
      ]
      for (tag, value) in fields {
        append(tag, byteCount: 2)
        append(4, byteCount: 2)
        append(1, byteCount: 4)
        append(value, byteCount: 4)
      }
    }
    append(0, byteCount: 4)
    let path = try place(name)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }
}

extension TemporaryFolder {
  /// An uncompressed TIFF of one image, whose GDAL_NODATA is `noData`, of at most three characters.
  @discardableResult
  func tiff(_ name: String, _ image: Image, noData: String) throws -> String {
    var bytes: [UInt8] = [0x49, 0x49, 42, 0, 8, 0, 0, 0]
    func append(_ value: Int, byteCount: Int) {
      for byte in 0..<byteCount { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
    }
    let pixels = image.samples.withUnsafeBytes { Array($0) }
    let format = if case .float32 = image.samples { 3 } else { 1 }
    let fields = [
      (256, image.width), (257, image.height), (258, image.bitsPerSample), (259, 1),
      (262, image.channels == 3 ? 2 : 1), (273, 8 + 2 + 12 * 12 + 4), (277, image.channels),
      (278, image.height), (279, pixels.count), (284, 1), (339, format),
    ]
    append(fields.count + 1, byteCount: 2)
    for (tag, value) in fields {
      append(tag, byteCount: 2)
      append(4, byteCount: 2)
      append(1, byteCount: 4)
      append(value, byteCount: 4)
    }
    append(42_113, byteCount: 2)
    append(2, byteCount: 2)
    append(noData.utf8.count + 1, byteCount: 4)
    bytes += Array(noData.utf8) + [UInt8](repeating: 0, count: 4 - noData.utf8.count)
    append(0, byteCount: 4)
    let path = try place(name)
    try Data(bytes + pixels).write(to: URL(fileURLWithPath: path))
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
