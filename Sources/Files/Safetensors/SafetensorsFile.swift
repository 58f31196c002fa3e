// Reading safetensors files, the format of checkpoints.

import Glibc

#if _endian(big)
  #error("The format is little-endian, and values are copied as they are.")
#endif

/// A safetensors file, read to memory and verified.
///
/// The format: eight bytes with the header's length N, little-endian; N bytes of JSON with the
/// name, type, shape and place of every tensor and a map from strings to strings under
/// `__metadata__`; then the tensors' values, little-endian, without gaps.
///
/// Files of this program carry a checksum under `__metadata__["checksum"]`: `sha256:` and the 64
/// lower-case hexadecimal digits of the SHA-256 of the whole file, with the character 0 in place
/// of each of those digits. It tells accidents; it does not tell a forger, who can compute it too.
///
/// Files are read to memory, not mapped, so that a file that shrinks under the reader is an error
/// and not a crash. Source: https://huggingface.co/docs/safetensors, "Format".
package struct SafetensorsFile: Sendable {
  /// The file's path, as given.
  package let path: String
  /// The strings under `__metadata__`, the checksum among them.
  package let metadata: [String: String]
  /// The names of the tensors, in the order of their bytes.
  package let names: [String]

  private let tensors: [String: SafetensorsHeader.Tensor]
  private let data: [UInt8]

  /// Bytes that are read or written, and hashed, at once: they stay in the cache in between.
  static let pieceByteCount = 1 << 20
}

extension FileError.Kind {
  /// A safetensors file that is not well-formed, or is cut short.
  package static let malformed = FileError.Kind("malformed")
  /// The checksum does not match the contents.
  package static let altered = FileError.Kind("altered")
  /// A checksum was required and the file has none.
  package static let withoutChecksum = FileError.Kind("without checksum")
  /// There is no tensor of that name, or it has another type.
  package static let unsuitableTensor = FileError.Kind("unsuitable tensor")
  /// What was to be written does not fit the format.
  package static let unwritable = FileError.Kind("unwritable")
}

// MARK: - Reading

extension SafetensorsFile {
  /// Reads a file and verifies all of it.
  ///
  /// Values are not looked at: they may be NaN or infinite.
  ///
  /// - Parameters:
  ///   - path: A regular file, or a link to one.
  ///   - requireChecksum: Whether a file without a checksum is an error. A checksum that is there
  ///     is always verified.
  /// - Throws: `FileError` for a file that cannot be read, that is cut short or altered, or
  ///   that breaks any rule of the format. No file traps.
  /// - Complexity: One pass over the file.
  package static func read(
    _ path: String, requireChecksum: Bool = false
  ) throws(FileError) -> SafetensorsFile {
    let input = try InputFile(path)
    guard input.byteCount >= 8 else {
      throw FileError(
        .malformed, path: path, expected: "at least 8 bytes", found: "\(input.byteCount)",
        hint: "the file is cut short")
    }
    var hash = SHA256()
    let lengthBytes = try input.read(8) { hash.update($0) }
    let length = lengthBytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let largest = min(SafetensorsHeader.largestByteCount, input.byteCount - 8)
    guard length <= UInt64(largest) else {
      throw FileError(
        .malformed, path: path, expected: "a header of at most \(largest) bytes",
        found: "a length of \(length)",
        hint: length <= UInt64(SafetensorsHeader.largestByteCount)
          ? "the file is cut short" : "this is not a safetensors file")
    }
    var headerBytes = try input.read(Int(length))
    let dataByteCount = input.byteCount - 8 - Int(length)
    let header = try SafetensorsHeader.parse(
      headerBytes, dataByteCount: dataByteCount, path: path)
    if header.checksumDigits == nil, requireChecksum {
      throw FileError(
        .withoutChecksum, path: path, expected: "a checksum in the metadata", found: "none",
        hint: "the file was altered, or another program wrote it")
    }

    for place in header.checksumDigits ?? 0..<0 { headerBytes[place] = UInt8(ascii: "0") }
    let isHashed = header.checksumDigits != nil
    hash.update(headerBytes)
    try AvailableMemory.check(dataByteCount, path: path)
    let data = try input.read(dataByteCount) { if isHashed { hash.update($0) } }
    if let stored = header.metadata[SafetensorsHeader.checksumKey] {
      let computed = SafetensorsHeader.checksumPrefix + hash.finalize().hexadecimal
      guard stored == computed else {
        throw FileError(
          .altered, path: path, expected: "the checksum \(stored)", found: computed,
          hint: "the file was altered or damaged; use another checkpoint")
      }
    }
    return SafetensorsFile(
      path: path, metadata: header.metadata, names: header.tensors.map(\.name),
      tensors: Dictionary(
        header.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }),
      data: data)
  }

  /// The shape of a tensor, or nil when there is none of that name; O(1).
  package func shape(of name: String) -> [Int]? { tensors[name]?.shape }

  /// A copy of the values of a float32 tensor, in the file's order.
  ///
  /// - Throws: `FileError` when there is no float32 tensor of that name.
  package func floats(of name: String) throws(FileError) -> [Float] {
    values(of: try tensor(name, .float32), as: Float.self)
  }

  /// The values of a tensor of any floating-point type, rounded to float32, in the file's order.
  ///
  /// - Throws: `FileError` when there is no such tensor of that name.
  package func roundedFloats(of name: String) throws(FileError) -> [Float] {
    guard let tensor = tensors[name] else { return try floats(of: name) }
    return switch tensor.element {
    case .float16: values(of: tensor, as: UInt16.self).map { Float(Self.half($0)) }
    case .bfloat16: values(of: tensor, as: UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
    case .float64: values(of: tensor, as: Double.self).map { Float($0) }
    case .float32, .int64, .uint8: try floats(of: name)
    }
  }

  /// The value of an IEEE 754 number of 16 bits.
  ///
  /// Read from its bits, since Swift has no type for it on all processors.
  private static func half(_ bits: UInt16) -> Double {
    let (exponent, fraction) = (Int(bits >> 10 & 0x1F), Double(bits & 0x3FF))
    let size =
      switch exponent {
      case 0: fraction * 0x1p-24
      case 31: fraction == 0 ? Double.infinity : .nan
      default: Double(sign: .plus, exponent: exponent - 15, significand: 1 + fraction * 0x1p-10)
      }
    return bits >> 15 == 0 ? size : -size
  }

  /// A copy of the values of a uint8 tensor.
  ///
  /// - Throws: `FileError` when there is no uint8 tensor of that name.
  package func bytes(of name: String) throws(FileError) -> [UInt8] {
    values(of: try tensor(name, .uint8), as: UInt8.self)
  }

  private func tensor(
    _ name: String, _ element: SafetensorsElement
  ) throws(FileError) -> SafetensorsHeader.Tensor {
    guard let tensor = tensors[name], tensor.element == element else {
      throw FileError(
        .unsuitableTensor, path: path, expected: "a tensor \(name) of type \(element.rawValue)",
        found: tensors[name].map { "type \($0.element.rawValue)" } ?? "none of that name",
        hint: "the file belongs to another network")
    }
    return tensor
  }

  private func values<Value: BitwiseCopyable>(
    of tensor: SafetensorsHeader.Tensor, as type: Value.Type
  ) -> [Value] {
    let count = tensor.range.count / MemoryLayout<Value>.stride
    return [Value](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      data.withUnsafeBytes { bytes in
        UnsafeMutableRawBufferPointer(buffer).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: bytes[tensor.range]))
      }
      initializedCount = count
    }
  }
}
