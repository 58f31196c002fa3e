// The header of a safetensors file: names, types, shapes and places of the tensors, as strict JSON.

/// The element types that this program reads, by their names in the format; it writes float32, int64 and uint8.
enum SafetensorsElement: String {
  case float32 = "F32"
  case int64 = "I64"
  case uint8 = "U8"
  case float16 = "F16"
  /// The upper half of a float32.
  case bfloat16 = "BF16"
  case float64 = "F64"

  var byteCount: Int {
    switch self {
    case .float32: 4
    case .int64, .float64: 8
    case .uint8: 1
    case .float16, .bfloat16: 2
    }
  }
}

/// A parsed and verified header.
struct SafetensorsHeader {
  /// One tensor: its bytes are `range` of the data section.
  struct Tensor {
    var name: String
    var element: SafetensorsElement
    var shape: [Int]
    var range: Range<Int>
  }

  /// Files of this program need a few ten thousand bytes; a larger header is an attack or a mistake.
  static let largestByteCount = 16 << 20
  static let largestTensorCount = 65_536

  /// The key and the form of the checksum in `__metadata__`: the prefix and 64 lower-case digits.
  static let checksumKey = "checksum"
  static let checksumPrefix = "sha256:"
  static let checksumDigitCount = 64

  var metadata: [String: String] = [:]
  /// The tensors in the order of their bytes.
  var tensors: [Tensor] = []
  /// Where the checksum's digits stand among the header's bytes.
  var checksumDigits: Range<Int>?

  /// Whether a tensor may have this name: 1 to 128 of A-Z, a-z, 0-9, dot, underscore and hyphen.
  static func isValidName(_ name: String) -> Bool {
    (1...128).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
          UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }

  /// The number of bytes of a tensor, or nil when it is too large for an `Int`.
  static func byteCount(of element: SafetensorsElement, shape: [Int]) -> Int? {
    var product = element.byteCount
    for length in shape {
      guard length >= 0 else { return nil }
      let (next, overflow) = product.multipliedReportingOverflow(by: length)
      guard !overflow else { return nil }
      product = next
    }
    return product
  }
}

// MARK: - Writing

extension SafetensorsHeader {
  /// The bytes of a header with zeros for the checksum's digits, padded with spaces so that the
  /// data section starts at a multiple of eight; and where the digits are.
  static func encode(
    tensors: [Tensor], metadata: [String: String]
  ) -> (bytes: [UInt8], checksumDigits: Range<Int>) {
    var bytes = Array("{\"__metadata__\":{".utf8)
    appendString(checksumKey, to: &bytes)
    bytes += Array(":\"\(checksumPrefix)".utf8)
    let checksumDigits = bytes.count..<bytes.count + checksumDigitCount
    bytes += [UInt8](repeating: UInt8(ascii: "0"), count: checksumDigitCount)
    bytes.append(UInt8(ascii: "\""))
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) where key != checksumKey {
      bytes.append(UInt8(ascii: ","))
      appendString(key, to: &bytes)
      bytes.append(UInt8(ascii: ":"))
      appendString(value, to: &bytes)
    }
    bytes.append(UInt8(ascii: "}"))
    for tensor in tensors {
      bytes.append(UInt8(ascii: ","))
      appendString(tensor.name, to: &bytes)
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      let offsets = "\(tensor.range.lowerBound),\(tensor.range.upperBound)"
      bytes += Array(
        #":{"dtype":"\#(tensor.element.rawValue)","shape":[\#(shape)],"data_offsets":[\#(offsets)]}"#
          .utf8)
    }
    bytes.append(UInt8(ascii: "}"))
    while !bytes.count.isMultiple(of: 8) { bytes.append(UInt8(ascii: " ")) }
    return (bytes, checksumDigits)
  }

  private static func appendString(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
      case 0..<0x20:
        let digits = String(byte, radix: 16)
        bytes += Array(("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8)
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}

// MARK: - Reading

extension SafetensorsHeader {
  /// Parses the header's bytes and checks everything that they claim about the data section.
  ///
  /// The grammar is exactly that of the format, so nesting has a fixed depth and every key that
  /// the format does not know, or that comes twice, is refused.
  static func parse(
    _ bytes: [UInt8], dataByteCount: Int, path: String
  ) throws(FileError) -> SafetensorsHeader {
    var parser = SafetensorsHeaderParser(bytes: bytes, path: path)
    var header = SafetensorsHeader()
    try parser.parse(into: &header)
    try header.checkPlaces(dataByteCount: dataByteCount, path: path)
    return header
  }

  /// Puts the tensors in the order of their bytes, which must follow each other without a gap.
  private mutating func checkPlaces(dataByteCount: Int, path: String) throws(FileError) {
    let order = tensors.indices.sorted { first, second in
      let (a, b) = (tensors[first].range, tensors[second].range)
      return (a.lowerBound, a.upperBound, first) < (b.lowerBound, b.upperBound, second)
    }
    tensors = order.map { tensors[$0] }
    var end = 0
    for tensor in tensors {
      guard tensor.range.lowerBound == end else {
        throw FileError(
          .malformed, path: path,
          expected: "tensor \(tensor.name) to start at byte \(end) of the data",
          found: "byte \(tensor.range.lowerBound)",
          hint: "tensors overlap or leave a hole; the header is damaged or was made by hand")
      }
      end = tensor.range.upperBound
    }
    guard end == dataByteCount else {
      throw FileError(
        .malformed, path: path, expected: "\(end) bytes of data", found: "\(dataByteCount)",
        hint: end > dataByteCount
          ? "the file is cut short" : "something was appended to the file")
    }
  }
}
