// The checksum of TensorBoard's records.

/// CRC-32C: the cyclic redundancy check by Castagnoli's polynomial.
///
/// Source: RFC 3720 (iSCSI), section 12.1 and appendix B.4.
enum CRC32C {
  /// What a byte makes of the rest: by the polynomial 0x1EDC6F41, lowest bit first.
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { rest, _ in rest >> 1 ^ (rest & 1 == 1 ? 0x82F6_3B78 : 0) }
  }

  /// The checksum of bytes.
  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~0) { rest, byte in rest >> 8 ^ table[Int((rest ^ UInt32(byte)) & 0xFF)] }
  }

  /// The checksum as records have it, so that a checksum of data with checksums in it means something.
  ///
  /// Source: TensorFlow's record format, "masked_crc32_of_data" (tensorflow.org, "TFRecord").
  static func masked(_ bytes: [UInt8]) -> UInt32 {
    let checksum = checksum(bytes)
    return (checksum >> 15 | checksum << 17) &+ 0xA282_EAD8
  }
}
