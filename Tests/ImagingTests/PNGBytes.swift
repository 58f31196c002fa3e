// PNG files byte by byte, with any chunks.

enum PNGBytes {
  /// A big-endian 32-bit number.
  static func bigEndian(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
  }

  static func crc32(_ bytes: [UInt8]) -> UInt32 {
    var register: UInt32 = .max
    for byte in bytes {
      register ^= UInt32(byte)
      for _ in 0..<8 {
        register = register & 1 == 1 ? register >> 1 ^ 0xEDB8_8320 : register >> 1
      }
    }
    return ~register
  }

  static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + data
    return bigEndian(UInt32(data.count)) + body + bigEndian(crc32(body))
  }

  /// A file of these packed rows, not compressed, with `extra` chunks before the pixels.
  static func file(
    width: UInt32, height: UInt32, bits: UInt8, color: UInt8, rows: [[UInt8]], extra: [UInt8] = []
  ) -> [UInt8] {
    let data: [UInt8] = rows.flatMap { (row: [UInt8]) -> [UInt8] in [0] + row }
    let count = UInt16(data.count)
    var (low, high): (UInt32, UInt32) = (1, 0)
    for byte in data {
      low = (low + UInt32(byte)) % 65521
      high = (high + low) % 65521
    }
    func littleEndian(_ value: UInt16) -> [UInt8] { [UInt8(value & 0xFF), UInt8(value >> 8)] }
    var stored: [UInt8] = [0x78, 1, 1]
    stored += littleEndian(count) + littleEndian(~count)
    stored += data + bigEndian(high << 16 | low)
    var header = bigEndian(width) + bigEndian(height)
    header += [bits, color, 0, 0, 0]
    var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    file += chunk("IHDR", header) + extra
    file += chunk("IDAT", stored) + chunk("IEND", [])
    return file
  }
}
