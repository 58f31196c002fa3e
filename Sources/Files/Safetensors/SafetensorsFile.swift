// Reading and writing safetensors files, the format of checkpoints.

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
  private static let pieceByteCount = 1 << 20
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
  /// - Throws: `SafetensorsError` for a file that cannot be read, that is cut short or altered, or
  ///   that breaks any rule of the format. No file traps.
  /// - Complexity: One pass over the file.
  package static func read(
    _ path: String, requireChecksum: Bool = false
  ) throws(SafetensorsError) -> SafetensorsFile {
    let input = try InputFile(path: path)
    guard input.byteCount >= 8 else {
      throw SafetensorsError(
        .malformed, path: path, expected: "at least 8 bytes", found: "\(input.byteCount)",
        hint: "the file is cut short")
    }
    var hash = SHA256()
    let lengthBytes = try input.read(8) { hash.update($0) }
    let length = lengthBytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let largest = min(SafetensorsHeader.largestByteCount, input.byteCount - 8)
    guard length <= UInt64(largest) else {
      throw SafetensorsError(
        .malformed, path: path, expected: "a header of at most \(largest) bytes",
        found: "a length of \(length)",
        hint: length <= UInt64(SafetensorsHeader.largestByteCount)
          ? "the file is cut short" : "this is not a safetensors file")
    }
    var headerBytes = try input.read(Int(length)) { _ in }
    let dataByteCount = input.byteCount - 8 - Int(length)
    let header = try SafetensorsHeader.parse(
      headerBytes, dataByteCount: dataByteCount, path: path)
    if header.checksumDigits == nil, requireChecksum {
      throw SafetensorsError(
        .withoutChecksum, path: path, expected: "a checksum in the metadata", found: "none",
        hint: "the file was altered, or another program wrote it")
    }

    for place in header.checksumDigits ?? 0..<0 { headerBytes[place] = UInt8(ascii: "0") }
    let isHashed = header.checksumDigits != nil
    hash.update(headerBytes)
    let data = try input.read(dataByteCount) { if isHashed { hash.update($0) } }
    if let stored = header.metadata[SafetensorsHeader.checksumKey] {
      let computed = SafetensorsHeader.checksumPrefix + hash.finalize().hexadecimal
      guard stored == computed else {
        throw SafetensorsError(
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
  /// - Throws: `SafetensorsError` when there is no float32 tensor of that name.
  package func floats(of name: String) throws(SafetensorsError) -> [Float] {
    values(of: try tensor(name, .float32), as: Float.self)
  }

  /// A copy of the values of a uint8 tensor.
  ///
  /// - Throws: `SafetensorsError` when there is no uint8 tensor of that name.
  package func bytes(of name: String) throws(SafetensorsError) -> [UInt8] {
    values(of: try tensor(name, .uint8), as: UInt8.self)
  }

  private func tensor(
    _ name: String, _ element: SafetensorsElement
  ) throws(SafetensorsError) -> SafetensorsHeader.Tensor {
    guard let tensor = tensors[name], tensor.element == element else {
      throw SafetensorsError(
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

  /// A regular file that is open for reading.
  private struct InputFile: ~Copyable {
    let path: String
    let byteCount: Int
    private let descriptor: CInt

    init(path: String) throws(SafetensorsError) {
      guard !path.utf8.contains(0) else {
        throw SafetensorsError(
          FileSystemError(path: path, operation: "use this path", code: EINVAL))
      }
      // Without O_NONBLOCK, opening a pipe would wait for its writer.
      let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
      guard descriptor >= 0 else {
        throw SafetensorsError(FileSystemError(path: path, operation: "open", code: errno))
      }
      var status = stat()
      guard fstat(descriptor, &status) == 0 else {
        let error = FileSystemError(path: path, operation: "examine", code: errno)
        _ = close(descriptor)
        throw SafetensorsError(error)
      }
      guard status.st_mode & S_IFMT == S_IFREG else {
        _ = close(descriptor)
        throw SafetensorsError(
          .malformed, path: path, expected: "a regular file", found: "a folder, pipe or device",
          hint: "give the path of a safetensors file")
      }
      self.path = path
      byteCount = Int(status.st_size)
      self.descriptor = descriptor
    }

    deinit { _ = close(descriptor) }

    /// The next `count` bytes; `visit` sees them in pieces while they are in the cache.
    func read(
      _ count: Int, visit: (UnsafeRawBufferPointer) -> Void
    ) throws(SafetensorsError) -> [UInt8] {
      var code: CInt = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initializedCount in
        let raw = UnsafeMutableRawBufferPointer(buffer)
        var done = 0
        while done < count {
          let piece = UnsafeMutableRawBufferPointer(
            rebasing: raw[done..<min(count, done + SafetensorsFile.pieceByteCount)])
          let received = Glibc.read(descriptor, piece.baseAddress, piece.count)
          if received < 0, errno == EINTR { continue }
          if received < 0 { code = errno }
          if received <= 0 { break }
          visit(UnsafeRawBufferPointer(rebasing: piece[..<received]))
          done += received
        }
        initializedCount = done
      }
      guard code == 0 else {
        throw SafetensorsError(FileSystemError(path: path, operation: "read", code: code))
      }
      guard bytes.count == count else {
        throw SafetensorsError(
          .malformed, path: path, expected: "\(byteCount) bytes", found: "fewer",
          hint: "the file was cut short while it was read")
      }
      return bytes
    }
  }

}

// MARK: - Writing

extension SafetensorsFile {
  /// One tensor to be written.
  package struct Entry {
    /// Where the values come from.
    fileprivate enum Source {
      /// Memory that the caller keeps alive until `write` returns.
      case memory(UnsafeRawBufferPointer)
      /// What puts them into the memory it is given, when it is the tensor's turn.
      case filling((UnsafeMutableRawBufferPointer) -> Void)
    }

    let name: String
    let element: SafetensorsElement
    let shape: [Int]
    fileprivate let source: Source

    /// A float32 tensor: as many values as the product of `shape`.
    package init(name: String, shape: [Int], values: UnsafeBufferPointer<Float>) {
      self.init(name: name, element: .float32, shape: shape, source: .memory(.init(values)))
    }

    /// An int64 tensor: as many values as the product of `shape`.
    package init(name: String, shape: [Int], values: UnsafeBufferPointer<Int64>) {
      self.init(name: name, element: .int64, shape: shape, source: .memory(.init(values)))
    }

    /// A uint8 tensor: as many values as the product of `shape`.
    package init(name: String, shape: [Int], values: UnsafeBufferPointer<UInt8>) {
      self.init(name: name, element: .uint8, shape: shape, source: .memory(.init(values)))
    }

    /// A float32 tensor whose values do not lie in memory as the file has them.
    ///
    /// `fill` is called once, in the order of the file, with memory for as many values as the
    /// product of `shape`. It must set all of them and keep no pointer: the next tensor gets the
    /// same memory.
    package init(
      name: String, shape: [Int], fill: @escaping (UnsafeMutableBufferPointer<Float>) -> Void
    ) {
      self.init(
        name: name, element: .float32, shape: shape,
        source: .filling { fill($0.bindMemory(to: Float.self)) })
    }

    private init(name: String, element: SafetensorsElement, shape: [Int], source: Source) {
      self.name = name
      self.element = element
      self.shape = shape
      self.source = source
    }
  }

  /// Writes a file with a checksum so that a crash leaves the old file or the new one.
  ///
  /// The tensors keep their order, except that wider element types come first so that all values
  /// are aligned. The same entries and metadata give the same bytes. See `DurableFile` for how the
  /// file comes into place.
  ///
  /// - Parameters:
  ///   - entries: Tensors of different names: 1 to 128 of A-Z, a-z, 0-9, dot, underscore, hyphen.
  ///   - metadata: Any strings; a value under `checksum` is replaced by the checksum.
  ///   - path: The file to create or replace.
  ///   - permissions: The file's mode.
  /// - Throws: `SafetensorsError` when the system refuses or an entry does not fit the format. The
  ///   old file is still whole.
  /// - Complexity: One pass over the values, and memory for the largest tensor that is filled.
  package static func write(
    _ entries: [Entry], metadata: [String: String], to path: String, permissions: UInt32 = 0o640
  ) throws(SafetensorsError) {
    let ordered = [SafetensorsElement.int64, .float32, .uint8].flatMap { element in
      entries.filter { $0.element == element }
    }
    let tensors = try places(of: ordered, path: path)
    var (header, digits) = SafetensorsHeader.encode(tensors: tensors, metadata: metadata)
    guard header.count <= SafetensorsHeader.largestByteCount else {
      throw SafetensorsError(
        .unwritable, path: path,
        expected: "a header of at most \(SafetensorsHeader.largestByteCount) bytes",
        found: "\(header.count)", hint: "write fewer tensors or less metadata")
    }
    header.insert(
      contentsOf: withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }, at: 0)
    do {
      var writer = try DurableFileWriter(path: path, permissions: permissions)
      var hash = SHA256()
      hash.update(header)
      try header.span.withUnsafeBytes { (bytes) throws(FileSystemError) in
        try writer.append(bytes)
      }
      let fillable = zip(ordered, tensors).filter { $0.0.isFilled }.map { $0.1.range.count }
      let memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: fillable.max() ?? 0, alignment: 64)
      defer { memory.deallocate() }
      for (entry, tensor) in zip(ordered, tensors) {
        var rest = entry.bytes(filledInto: .init(rebasing: memory.prefix(tensor.range.count)))[...]
        while !rest.isEmpty {
          let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(pieceByteCount))
          hash.update(piece)
          try writer.append(piece)
          rest = rest.dropFirst(piece.count)
        }
      }
      let checksum = Array(hash.finalize().hexadecimal.utf8)
      try checksum.span.withUnsafeBytes { (bytes) throws(FileSystemError) in
        try writer.overwrite(at: 8 + digits.lowerBound, with: bytes)
      }
      try writer.commit()
    } catch {
      throw SafetensorsError(error)
    }
  }

  /// The header's table: one tensor after the other, each checked against its values.
  private static func places(
    of entries: [Entry], path: String
  ) throws(SafetensorsError) -> [SafetensorsHeader.Tensor] {
    var names = Set<String>()
    var tensors: [SafetensorsHeader.Tensor] = []
    var end = 0
    guard entries.count <= SafetensorsHeader.largestTensorCount else {
      throw SafetensorsError(
        .unwritable, path: path,
        expected: "at most \(SafetensorsHeader.largestTensorCount) tensors",
        found: "\(entries.count)", hint: "write fewer")
    }
    for entry in entries {
      guard SafetensorsHeader.isValidName(entry.name), names.insert(entry.name).inserted else {
        throw SafetensorsError(
          .unwritable, path: path,
          expected: "different names of 1 to 128 letters, digits, dots, underscores and hyphens",
          found: "\"\(entry.name)\"", hint: "choose another name")
      }
      let byteCount = SafetensorsHeader.byteCount(of: entry.element, shape: entry.shape)
      // Values that are filled in are as many as the shape says.
      let found = if case .memory(let values) = entry.source { values.count } else { byteCount }
      guard let byteCount, byteCount == found else {
        throw SafetensorsError(
          .unwritable, path: path,
          expected: "\(byteCount.map(String.init) ?? "a countable number of") bytes for tensor "
            + "\(entry.name) of shape \(entry.shape)",
          found: found.map(String.init) ?? "more", hint: "the shape does not belong to these values"
        )
      }
      let range = end..<end + byteCount
      tensors.append(
        .init(name: entry.name, element: entry.element, shape: entry.shape, range: range))
      end = range.upperBound
    }
    return tensors
  }
}

extension SafetensorsFile.Entry {
  /// Whether the values are put into memory that the writer gives.
  fileprivate var isFilled: Bool { if case .filling = source { true } else { false } }

  /// The values: where they lie, or in `memory` after they were put there.
  fileprivate func bytes(
    filledInto memory: UnsafeMutableRawBufferPointer
  ) -> UnsafeRawBufferPointer {
    switch source {
    case .memory(let values): return values
    case .filling(let fill):
      fill(memory)
      return UnsafeRawBufferPointer(memory)
    }
  }
}
