// Reading NumPy's .npy files as images.

import Files

extension NumPyFile {
  /// The types of elements, by the letter and the byte count of their description.
  private enum Element: String {
    case boolean = "b1"
    case uint8 = "u1"
    case uint16 = "u2"
    case uint32 = "u4"
    case uint64 = "u8"
    case int8 = "i1"
    case int16 = "i2"
    case int32 = "i4"
    case int64 = "i8"
    case half = "f2"
    case float = "f4"
    case double = "f8"

    var byteCount: Int { Int(rawValue.dropFirst()) ?? 1 }
  }

  /// An array as its header describes it.
  private struct StoredArray {
    let element: Element
    let isBigEndian: Bool
    let isFortran: Bool
    let shape: [Int]
    let offset: Int

    /// Pages, rows, columns and channels: see ``image(of:page:)``.
    var axes: (pages: Int, height: Int, width: Int, channels: Int) {
      let last = shape[shape.count - 1]
      let hasChannels =
        shape.count > 3
        || shape.count == 3
          && (last <= surelyChannels || last <= mostChannels && last < min(shape[0], shape[1]))
      let channels = hasChannels ? shape[shape.count - 1] : 1
      let sides = hasChannels ? Array(shape.dropLast()) : shape
      return (
        sides.count > 2 ? sides[0] : 1, sides[sides.count - 2], sides[sides.count - 1], channels
      )
    }
  }

  /// A last axis so long is one of channels: grey, grey and alpha or two stains, RGB, RGBA.
  private static let surelyChannels = 4
  /// And so is one up to this that is the shortest of three: no image is so narrow.
  private static let mostChannels = 16

  /// The number of images in an array.
  static func pageCount(of file: borrowing InputFile) throws(FileError) -> Int {
    try array(of: file).axes.pages
  }

  /// An image of an array.
  ///
  /// Two axes are rows and columns. A last axis behind them is one of channels, all of which are kept; a first
  /// axis in front of them is one of images. So 3 axes are [rows, columns, channels] where the last has at most
  /// 4 places, or at most 16 and fewer than the others, else [images, rows, columns]; and 4 axes are [images,
  /// rows, columns, channels]. Both orders of axes in memory and of bytes are read, of booleans, integers and floating
  /// point of the format's versions 1 to 3.
  ///
  /// - Throws: `FileError` for other arrays, pickled objects, and a file that is not as long as it has to be.
  static func image(of file: borrowing InputFile, page: Int) throws(FileError) -> Image {
    let array = try array(of: file)
    let axes = array.axes
    guard page < axes.pages else {
      throw pageError(path: file.path, page: page, found: "\(axes.pages) pages")
    }
    let count = axes.height * axes.width * axes.channels
    let size = array.element.byteCount
    var bytes: [UInt8]
    if !array.isFortran {
      bytes = try file.bytes(at: array.offset + page * count * size, count: count * size)
    } else {
      bytes = try gathered(file, array, page: page)
    }
    if array.isBigEndian, size > 1 {
      for start in stride(from: 0, to: bytes.count, by: size) {
        bytes[start..<start + size].reverse()
      }
    }
    let samples = try samples(bytes, array.element, path: file.path)
    let bits = array.element == .boolean ? 1 : 8 * samples.sampleByteCount
    return Image(
      width: axes.width, height: axes.height, channels: axes.channels, bitsPerSample: bits,
      samples: samples)
  }

  /// The bytes of a page in C order, of an array whose first axis changes fastest.
  private static func gathered(
    _ file: borrowing InputFile, _ array: StoredArray, page: Int
  ) throws(FileError) -> [UInt8] {
    let (pages, height, width, channels) = array.axes
    let size = array.element.byteCount
    let all = try file.bytes(
      at: array.offset, count: pages * height * width * channels * size)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(height * width * channels * size)
    for y in 0..<height {
      for x in 0..<width {
        for channel in 0..<channels {
          let place = page + pages * (y + height * (x + width * channel))
          bytes += all[place * size..<(place + 1) * size]
        }
      }
    }
    return bytes
  }

  private static func samples(
    _ bytes: [UInt8], _ element: Element, path: String
  ) throws(FileError) -> Image.Samples {
    func values<Value>(_: Value.Type) -> [Value] {
      bytes.withUnsafeBytes { raw in
        (0..<raw.count / MemoryLayout<Value>.size).map {
          raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Value>.size, as: Value.self)
        }
      }
    }
    func narrowed<Wide: FixedWidthInteger, Value: FixedWidthInteger>(
      _ wide: [Wide], to _: Value.Type
    ) throws(FileError) -> [Value] {
      guard wide.allSatisfy({ Value(exactly: $0) != nil }) else {
        throw unsupportedError(
          path: path, kind: .numPy, found: "64-bit integers with values beyond 32 bits")
      }
      return wide.map { Value(truncatingIfNeeded: $0) }
    }
    return switch element {
    case .boolean: .uint8(bytes.map { $0 == 0 ? 0 : 1 })
    case .uint8: .uint8(bytes)
    case .uint16: .uint16(values(UInt16.self))
    case .uint32: .uint32(values(UInt32.self))
    case .uint64: .uint32(try narrowed(values(UInt64.self), to: UInt32.self))
    case .int8: .int8(values(Int8.self))
    case .int16: .int16(values(Int16.self))
    case .int32: .int32(values(Int32.self))
    case .int64: .int32(try narrowed(values(Int64.self), to: Int32.self))
    case .half: .float32(values(UInt16.self).map(floatValue(ofHalf:)))
    case .float: .float32(values(Float.self))
    case .double: .float32(values(Double.self).map { Float($0) })
    }
  }

  /// The value of a 16-bit floating point number: 1 sign, 5 exponent and 10 fraction bits.
  private static func floatValue(ofHalf half: UInt16) -> Float {
    let sign: Float = half >> 15 == 0 ? 1 : -1
    let (exponent, fraction) = (Int(half >> 10 & 0x1F), Float(half & 0x3FF))
    return switch exponent {
    case 0: sign * fraction * 0x1p-24
    case 31: fraction == 0 ? sign * .infinity : .nan
    default: Float(sign: .plus, exponent: exponent - 15, significand: sign * (1 + fraction / 1024))
    }
  }

  // MARK: - The header

  /// The first letters of a text from a file, of ASCII alone.
  private static func plain(_ text: String) -> String {
    String(
      decoding: text.utf8.prefix(40).map { (0x20...0x7E).contains($0) ? $0 : 0x3F }, as: UTF8.self)
  }

  private static func array(of file: borrowing InputFile) throws(FileError) -> StoredArray {
    let path = file.path
    func damaged(_ found: String) -> FileError {
      damageError(path: path, kind: .numPy, found: found)
    }
    guard file.byteCount >= 12 else { throw damaged("no complete header") }
    let start = try file.bytes(at: 0, count: 12)
    let version = start[6]
    guard (1...3).contains(version) else {
      throw unsupportedError(path: path, kind: .numPy, found: "version \(version) of the format")
    }
    let sizeByteCount = version == 1 ? 2 : 4
    let headerByteCount = start[8..<8 + sizeByteCount].reversed().reduce(0) { $0 << 8 | Int($1) }
    let offset = 8 + sizeByteCount + headerByteCount
    guard offset <= file.byteCount else { throw damaged("no complete header") }
    guard headerByteCount <= 65536 else { throw damaged("a header of \(headerByteCount) bytes") }
    let text = String(
      decoding: try file.bytes(at: 8 + sizeByteCount, count: headerByteCount), as: UTF8.self)
    guard let header = NumPyHeader(text) else { throw damaged("a header that is none") }
    let description = header.description
    guard let order = description.first, "<>|=".contains(order),
      let element = Element(rawValue: String(description.dropFirst()))
    else {
      throw unsupportedError(path: path, kind: .numPy, found: "elements of \(plain(description))")
    }
    let array = StoredArray(
      element: element, isBigEndian: order == ">", isFortran: header.isFortran,
      shape: header.shape, offset: offset)
    guard (2...4).contains(array.shape.count), array.shape.allSatisfy({ $0 > 0 }),
      array.shape.count < 4 || array.shape[3] <= ImageFile.maximumChannelCount
    else {
      throw unsupportedError(path: path, kind: .numPy, found: "the shape \(array.shape)")
    }
    let axes = array.axes
    guard axes.width <= ImageFile.maximumSide, axes.height <= ImageFile.maximumSide,
      axes.pages <= ImageFile.maximumPageCount,
      let total = product(array.shape + [element.byteCount]),
      total / axes.pages <= ImageFile.maximumDecodedByteCount
    else { throw tooLargeError(path: path, found: "the shape \(array.shape)") }
    try AvailableMemory.check(2 * (total / axes.pages), path: path)
    guard total == file.byteCount - offset else {
      throw damaged("\(file.byteCount - offset) bytes for \(total) of the shape \(array.shape)")
    }
    return array
  }
}

/// The dictionary of a header: `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
private struct NumPyHeader {
  let description: String
  let isFortran: Bool
  let shape: [Int]

  /// The header of a text; nil for any other.
  init?(_ text: String) {
    var text = Substring(text.trimmingPrefix { $0.isWhitespace })
    while text.last?.isWhitespace == true { text.removeLast() }
    guard text.first == "{", text.last == "}" else { return nil }
    text = text.dropFirst().dropLast()
    func value(of key: String) -> Substring? {
      for quote in ["'", "\""] {
        if let range = text.firstRange(of: "\(quote)\(key)\(quote):") {
          return text[range.upperBound...].trimmingPrefix { $0 == " " }
        }
      }
      return nil
    }
    guard let descr = value(of: "descr"), let quote = descr.first, quote == "'" || quote == "\"",
      let end = descr.dropFirst().firstIndex(of: quote),
      let order = value(of: "fortran_order"),
      order.hasPrefix("True") || order.hasPrefix("False"),
      let shape = value(of: "shape"), shape.first == "(", let close = shape.firstIndex(of: ")")
    else {
      // Structured types have a list there, which is told as it stands.
      guard let descr = value(of: "descr"), descr.first == "[" else { return nil }
      (description, isFortran, self.shape) = (String(descr), false, [])
      return
    }
    let parts = shape[..<close].dropFirst().split(separator: ",")
      .map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
    let sizes = parts.compactMap { Int($0) }
    guard sizes.count == parts.count else { return nil }
    description = String(descr[descr.index(after: descr.startIndex)..<end])
    isFortran = order.hasPrefix("True")
    self.shape = sizes
  }
}
