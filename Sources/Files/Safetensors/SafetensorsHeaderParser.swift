// Parsing the header of a safetensors file, which may come from anywhere.

/// A parser for the one JSON grammar of the format.
struct SafetensorsHeaderParser {
  let bytes: [UInt8]
  let path: String
  var position = 0

  init(bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
  }

  mutating func parse(into header: inout SafetensorsHeader) throws(FileError) {
    guard bytes.first == UInt8(ascii: "{") else {
      throw fault("a header that starts with {", hint: "this is not a safetensors file")
    }
    position = 1
    var names = Set<String>()
    if !skipped(UInt8(ascii: "}")) {
      repeat {
        let name = try string("a tensor's name")
        guard names.insert(name).inserted else {
          throw fault("every name once", found: "a name twice")
        }
        try expect(UInt8(ascii: ":"))
        if name == "__metadata__" {
          try parseMetadata(into: &header)
        } else {
          guard SafetensorsHeader.isValidName(name) else {
            throw fault(
              "a name of 1 to 128 letters, digits, dots, underscores and hyphens",
              found: "another name",
              hint: "the file holds something else than a network of this program")
          }
          header.tensors.append(try tensor(name))
          guard header.tensors.count <= SafetensorsHeader.largestTensorCount else {
            throw fault(
              "at most \(SafetensorsHeader.largestTensorCount) tensors", found: "more")
          }
        }
      } while skipped(UInt8(ascii: ","))
      try expect(UInt8(ascii: "}"))
    }
    skipSpace()
    guard position == bytes.count else { throw fault("nothing after the header's last }") }
  }

  private mutating func parseMetadata(
    into header: inout SafetensorsHeader
  ) throws(FileError) {
    try expect(UInt8(ascii: "{"))
    guard !skipped(UInt8(ascii: "}")) else { return }
    repeat {
      let key = try string("a key of the metadata")
      try expect(UInt8(ascii: ":"))
      skipSpace()
      let start = position + 1
      let value = try string("a string in the metadata")
      guard header.metadata.updateValue(value, forKey: key) == nil else {
        throw fault("every key of the metadata once", found: "a key twice")
      }
      if key == SafetensorsHeader.checksumKey {
        header.checksumDigits = try checksumDigits(value, rawBytes: start..<position - 1)
      }
    } while skipped(UInt8(ascii: ","))
    try expect(UInt8(ascii: "}"))
  }

  /// The place of the checksum's digits, when the value is one and is spelled without escapes.
  private func checksumDigits(
    _ value: String, rawBytes: Range<Int>
  ) throws(FileError) -> Range<Int> {
    let prefix = SafetensorsHeader.checksumPrefix
    let digits = value.utf8.dropFirst(prefix.utf8.count)
    let isChecksum =
      value.hasPrefix(prefix) && digits.count == SafetensorsHeader.checksumDigitCount
      && rawBytes.count == value.utf8.count
      && digits.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    guard isChecksum else {
      throw fault(
        "a checksum of the form \(prefix) and 64 lower-case hexadecimal digits",
        found: "another value", hint: "the file was altered, or has another program's checksum")
    }
    return rawBytes.lowerBound + prefix.utf8.count..<rawBytes.upperBound
  }

  private mutating func tensor(_ name: String) throws(FileError) -> SafetensorsHeader.Tensor {
    var type: String?
    var shape: [Int]?
    var offsets: [Int]?
    try expect(UInt8(ascii: "{"))
    repeat {
      let key = try string("a key of tensor \(name)")
      try expect(UInt8(ascii: ":"))
      switch key {
      case "dtype" where type == nil: type = try string("the type of tensor \(name)")
      case "shape" where shape == nil: shape = try numbers(atMost: 32)
      case "data_offsets" where offsets == nil: offsets = try numbers(atMost: 2)
      default:
        throw fault(
          "dtype, shape and data_offsets once each in tensor \(name)",
          found: "another key or one twice")
      }
    } while skipped(UInt8(ascii: ","))
    try expect(UInt8(ascii: "}"))
    guard let type, let shape, let offsets, offsets.count == 2 else {
      throw fault(
        "dtype, shape and two data_offsets in tensor \(name)", found: "less than that")
    }
    guard let element = SafetensorsElement(rawValue: type) else {
      throw fault(
        "tensor \(name) to be F32, F16, BF16, F64, I64 or U8", found: "another type",
        hint: "convert the file to float32")
    }
    guard offsets[0] <= offsets[1] else {
      throw fault(
        "the data_offsets of tensor \(name) to ascend", found: "\(offsets[0]), \(offsets[1])")
    }
    guard let byteCount = SafetensorsHeader.byteCount(of: element, shape: shape) else {
      throw fault(
        "a size of tensor \(name) that memory can hold", found: "shape \(shape)")
    }
    guard byteCount == offsets[1] - offsets[0] else {
      throw fault(
        "\(byteCount) bytes for tensor \(name) of shape \(shape)",
        found: "\(offsets[1] - offsets[0])")
    }
    return SafetensorsHeader.Tensor(
      name: name, element: element, shape: shape, range: offsets[0]..<offsets[1])
  }

  // MARK: Tokens

  /// An array of at most `limit` non-negative integers.
  private mutating func numbers(atMost limit: Int) throws(FileError) -> [Int] {
    var values: [Int] = []
    try expect(UInt8(ascii: "["))
    guard !skipped(UInt8(ascii: "]")) else { return values }
    repeat {
      guard values.count < limit else {
        throw fault("at most \(limit) numbers in a list", found: "more")
      }
      values.append(try number())
    } while skipped(UInt8(ascii: ","))
    try expect(UInt8(ascii: "]"))
    return values
  }

  private mutating func number() throws(FileError) -> Int {
    skipSpace()
    let start = position
    var value = 0
    while position < bytes.count, (48...57).contains(bytes[position]) {
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflowAgain) = product.addingReportingOverflow(Int(bytes[position]) - 48)
      guard !overflow, !overflowAgain else {
        throw fault("a number below 2^63", found: "a larger one")
      }
      value = sum
      position += 1
    }
    guard position > start, position == start + 1 || bytes[start] != 48 else {
      throw fault("a whole number that is not negative, without leading zeros")
    }
    return value
  }

  private mutating func string(_ role: String) throws(FileError) -> String {
    skipSpace()
    guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
      throw fault("\(role), in quotes")
    }
    position += 1
    var content: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: content, as: UTF8.self) else {
          throw fault("\(role) in UTF-8", found: "other bytes")
        }
        return text
      case UInt8(ascii: "\\"): try appendEscape(to: &content)
      case 0..<0x20: throw fault("\(role) without control characters", found: "one")
      default: content.append(byte)
      }
    }
    throw fault("\(role) to end with a quote")
  }

  private mutating func appendEscape(to content: inout [UInt8]) throws(FileError) {
    guard position < bytes.count else { throw fault("a character after \\") }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
    case UInt8(ascii: "b"): content.append(0x08)
    case UInt8(ascii: "f"): content.append(0x0C)
    case UInt8(ascii: "n"): content.append(0x0A)
    case UInt8(ascii: "r"): content.append(0x0D)
    case UInt8(ascii: "t"): content.append(0x09)
    case UInt8(ascii: "u"):
      var value = try fourDigits()
      if (0xD800..<0xDC00).contains(value), position + 1 < bytes.count,
        bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
      {
        position += 2
        let low = try fourDigits()
        guard (0xDC00..<0xE000).contains(low) else {
          throw fault("the second half of a surrogate pair", found: "something else")
        }
        value = 0x1_0000 + (value - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(value) else {
        throw fault("a character after \\u", found: "half of a surrogate pair")
      }
      content += Array(String(Character(scalar)).utf8)
    default: throw fault("an escape that JSON knows after \\", found: "another")
    }
  }

  private mutating func fourDigits() throws(FileError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard position < bytes.count,
        let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue
      else { throw fault("four hexadecimal digits after \\u") }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  private mutating func skipSpace() {
    while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) {
      position += 1
    }
  }

  /// Steps over `byte` when it comes next.
  private mutating func skipped(_ byte: UInt8) -> Bool {
    skipSpace()
    guard position < bytes.count, bytes[position] == byte else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ byte: UInt8) throws(FileError) {
    guard skipped(byte) else { throw fault("\(Unicode.Scalar(byte))") }
  }

  /// An error at the current place; `found` defaults to the byte there.
  private func fault(
    _ expected: String, found: String? = nil,
    hint: String = "the header is damaged or was made by hand"
  ) -> FileError {
    let here =
      position < bytes.count
      ? "byte 0x\(String(bytes[position], radix: 16))" : "the end of the header"
    return FileError(
      .malformed, path: path, expected: expected,
      found: "\(found ?? here) near byte \(position) of the header", hint: hint)
  }
}
