// Writing PNG files.

import CImageCodecs
package import Files

/// PNG files, for writing; `ImageFile` reads them.
package enum PNGFile {
  /// Writes an image as PNG, replacing the file at `path` as a whole.
  ///
  /// 8-bit samples make an 8-bit file (grey ones of 1, 2 or 4 bits a file of that depth), 16-bit
  /// samples a 16-bit file; values are stored as they are.
  ///
  /// - Precondition: samples of fewer than 8 bits are below `1 << bitsPerSample`.
  /// - Throws: where the file cannot be written, or the samples are floating point.
  package static func write(_ image: Image, to path: String) throws(FileError) {
    switch image.samples {
    case .uint8(let values):
      precondition(
        image.bitsPerSample >= 8 || values.allSatisfy { $0 >> image.bitsPerSample == 0 },
        "samples above \(image.bitsPerSample) bits")
      try write(values, of: image, as: codec_uint8, to: path)
    case .uint16(let values):
      try write(values, of: image, as: codec_uint16, to: path)
    case .float32:
      throw FileError(
        path: path, expected: "samples of 8 or 16 bits", found: "32-bit floating point samples",
        hint: "scale them to integers, or write a .npy file")
    }
  }

  private static func write<Sample>(
    _ values: [Sample], of image: Image, as type: codec_sample_type, to path: String
  ) throws(FileError) {
    var writer = try DurableFileWriter(path: path, isFlushed: false)
    var message = [CChar](repeating: 0, count: Int(CODEC_MESSAGE_CAPACITY))
    let status = values.withUnsafeBytes { bytes in
      var encoded = codec_image(
        width: UInt32(clamping: image.width), height: UInt32(clamping: image.height),
        channels: UInt32(image.channels), bits_per_sample: UInt32(image.bitsPerSample),
        sample_type: type, byte_count: bytes.count,
        // Encoding only reads; the one structure serves both directions.
        samples: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
      return codec_png_write(writer.descriptor, &encoded, &message)
    }
    guard status == codec_ok else {
      throw FileError(
        path: path, expected: "a PNG file that can be written", found: text(of: message),
        hint: "check its folder and the space left, and that no side is above"
          + " \(ImageFile.maximumSide) pixels")
    }
    try writer.commit()
  }
}
