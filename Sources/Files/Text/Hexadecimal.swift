// Bytes as hexadecimal digits.

extension Sequence<UInt8> {
  /// Two lowercase digits for each byte.
  package var hexadecimal: String {
    reduce(into: "") { text, byte in text += (byte < 16 ? "0" : "") + String(byte, radix: 16) }
  }
}
