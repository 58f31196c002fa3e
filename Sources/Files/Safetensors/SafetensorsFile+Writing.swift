// Writing safetensors files, so that a crash leaves the old one or the new one.

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
  /// - Throws: `FileError` when the system refuses or an entry does not fit the format. The
  ///   old file is still whole.
  /// - Complexity: One pass over the values, and memory for the largest tensor that is filled.
  package static func write(
    _ entries: [Entry], metadata: [String: String], to path: String
  ) throws(FileError) {
    let ordered = [SafetensorsElement.int64, .float32, .uint8].flatMap { element in
      entries.filter { $0.element == element }
    }
    let tensors = try places(of: ordered, path: path)
    var (header, digits) = SafetensorsHeader.encode(tensors: tensors, metadata: metadata)
    guard header.count <= SafetensorsHeader.largestByteCount else {
      throw FileError(
        .unwritable, path: path,
        expected: "a header of at most \(SafetensorsHeader.largestByteCount) bytes",
        found: "\(header.count)", hint: "write fewer tensors or less metadata")
    }
    header.insert(
      contentsOf: withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }, at: 0)
    var writer = try DurableFileWriter(path: path)
    var hash = SHA256()
    hash.update(header)
    try header.span.withUnsafeBytes { (bytes) throws(FileError) in
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
    try checksum.span.withUnsafeBytes { (bytes) throws(FileError) in
      try writer.overwrite(at: 8 + digits.lowerBound, with: bytes)
    }
    try writer.commit()
  }

  /// The header's table: one tensor after the other, each checked against its values.
  private static func places(
    of entries: [Entry], path: String
  ) throws(FileError) -> [SafetensorsHeader.Tensor] {
    var names = Set<String>()
    var tensors: [SafetensorsHeader.Tensor] = []
    var end = 0
    guard entries.count <= SafetensorsHeader.largestTensorCount else {
      throw FileError(
        .unwritable, path: path,
        expected: "at most \(SafetensorsHeader.largestTensorCount) tensors",
        found: "\(entries.count)", hint: "write fewer")
    }
    for entry in entries {
      guard SafetensorsHeader.isValidName(entry.name), names.insert(entry.name).inserted else {
        throw FileError(
          .unwritable, path: path,
          expected: "different names of 1 to 128 letters, digits, dots, underscores and hyphens",
          found: "\"\(entry.name)\"", hint: "choose another name")
      }
      let byteCount = SafetensorsHeader.byteCount(of: entry.element, shape: entry.shape)
      // Values that are filled in are as many as the shape says.
      let found = if case .memory(let values) = entry.source { values.count } else { byteCount }
      guard let byteCount, byteCount == found else {
        throw FileError(
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
