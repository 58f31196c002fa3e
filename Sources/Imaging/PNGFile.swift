// Writing PNG files.

import CImageCodecs
package import Files
import Glibc

/// PNG files, for writing; `ImageFile` reads them.
package enum PNGFile {
  /// Writes an image as PNG, replacing the file at `path` as a whole.
  ///
  /// 8-bit samples make an 8-bit file (grey ones of 1, 2 or 4 bits a file of that depth), 16-bit
  /// samples a 16-bit file; values are stored as they are.
  ///
  /// - Precondition: samples of fewer than 8 bits are below `1 << bitsPerSample`.
  /// - Throws: where the file cannot be written, or the samples or channels are others.
  package static func write(_ image: Image, to path: String) throws(FileError) {
    var writer = try DurableFileWriter(path: path, isFlushed: false)
    try write(image, to: writer.descriptor, path: path)
    try writer.commit()
  }

  /// The bytes of such a file.
  package static func encoded(_ image: Image) throws(FileError) -> [UInt8] {
    // The encoder writes to a descriptor.
    let scratch = try ScratchFile()
    try write(image, to: scratch.descriptor, path: "a picture in memory")
    let file = try scratch.reopened()
    return try file.bytes(at: 0, count: file.byteCount)
  }

  private static func write(
    _ image: Image, to descriptor: CInt, path: String
  ) throws(FileError) {
    guard image.channels == 1 || image.channels == 3 else {
      throw FileError(
        path: path, expected: "1 or 3 channels", found: "\(image.channels)",
        hint: "write a .npy file")
    }
    switch image.samples {
    case .uint8(let values):
      precondition(
        image.bitsPerSample >= 8 || values.allSatisfy { $0 >> image.bitsPerSample == 0 },
        "samples above \(image.bitsPerSample) bits")
      try write(values, of: image, as: codec_uint8, to: descriptor, path: path)
    case .uint16(let values):
      try write(values, of: image, as: codec_uint16, to: descriptor, path: path)
    case .uint32, .int8, .int16, .int32, .float32:
      throw FileError(
        path: path, expected: "unsigned samples of 8 or 16 bits",
        found: "signed, 32-bit or floating point samples",
        hint: "scale them to integers, or write a .npy file")
    }
  }

  private static func write<Sample>(
    _ values: [Sample], of image: Image, as type: codec_sample_type, to descriptor: CInt,
    path: String
  ) throws(FileError) {
    var message = [CChar](repeating: 0, count: Int(CODEC_MESSAGE_CAPACITY))
    let status = values.withUnsafeBytes { bytes in
      var encoded = codec_image()
      encoded.width = UInt32(clamping: image.width)
      encoded.height = UInt32(clamping: image.height)
      encoded.channels = UInt32(image.channels)
      encoded.bits_per_sample = UInt32(image.bitsPerSample)
      encoded.sample_type = type
      encoded.byte_count = bytes.count
      // Encoding only reads; the one structure serves both directions.
      encoded.samples = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
      return codec_png_write(descriptor, &encoded, &message)
    }
    guard status == codec_ok else {
      throw FileError(
        path: path, expected: "a PNG file that can be written", found: text(of: message),
        hint: "check its folder and the space left, and that no side is above"
          + " \(ImageFile.maximumSide) pixels")
    }
  }
}
