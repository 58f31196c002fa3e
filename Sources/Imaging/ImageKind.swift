// The kinds of image files, told by their first bytes.

import Files

/// The kind of an image file, by its first bytes.
enum ImageKind: String {
  case png = "PNG"
  case tiff = "TIFF"
  case jpeg = "JPEG"

  /// The kind whose signature `bytes` begin with.
  init?(signature bytes: [UInt8]) {
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else if Self.tiffSignatures.contains(where: { bytes.starts(with: $0) }) {
      self = .tiff
    } else {
      return nil
    }
  }

  /// Little-endian and big-endian, 42 for the classic format and 43 for BigTIFF.
  private static let tiffSignatures: [[UInt8]] = [
    [0x49, 0x49, 42, 0], [0x4D, 0x4D, 0, 42], [0x49, 0x49, 43, 0], [0x4D, 0x4D, 0, 43],
  ]
}

extension ImageKind {
  /// The kind of an open file.
  init(of file: borrowing InputFile) throws(FileError) {
    let bytes = try file.signature(8)
    guard let kind = ImageKind(signature: bytes) else {
      throw FileError(
        path: file.path, expected: "a PNG, TIFF or JPEG file",
        found: bytes.isEmpty ? "an empty file" : "a file that begins with \(Self.text(of: bytes))",
        hint: "convert it to PNG or TIFF, or leave it out")
    }
    self = kind
  }

  private static func text(of bytes: [UInt8]) -> String {
    bytes.map { [$0].hexadecimal.uppercased() }.joined(separator: " ")
  }
}

/// The text before a C buffer's terminating zero.
func text(of buffer: [CChar]) -> String {
  String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
