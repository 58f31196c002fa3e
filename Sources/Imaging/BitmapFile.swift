// Reading BMP files: uncompressed ones, of which no library at hand reads the stored values.

import Files

/// BMP files.
///
/// Source: the structures BITMAPFILEHEADER, BITMAPINFOHEADER and their successors of Windows' GDI.
/// Read are 1, 4 and 8 bits with a palette, 24 and 32 bits of blue, green, red and a byte that is alpha or
/// nothing and is left out; not run-length encoding, nor bit fields of another order.
enum BitmapFile {
  /// What the headers say.
  private struct Header {
    let width: Int
    let height: Int
    let isTopDown: Bool
    let bits: Int
    let entryCount: Int
    let paletteOffset: Int
    let pixelOffset: Int
  }

  static func image(
    of file: borrowing InputFile, _ purpose: ImageFile.Purpose
  ) throws(FileError) -> Image {
    let header = try header(of: file)
    // Rows are filled up to whole words of 32 bits.
    let rowByteCount = (header.width * header.bits + 31) / 32 * 4
    guard header.pixelOffset + rowByteCount * header.height <= file.byteCount else {
      throw damageError(path: file.path, kind: .bitmap, found: "fewer pixels than the header names")
    }
    let palette =
      header.bits <= 8
      ? try file.bytes(at: header.paletteOffset, count: 4 * header.entryCount) : []
    let bytes = try file.bytes(at: header.pixelOffset, count: rowByteCount * header.height)
    func rowStart(_ y: Int) -> Int {
      (header.isTopDown ? y : header.height - 1 - y) * rowByteCount
    }
    guard header.bits <= 8 else {
      let step = header.bits / 8
      // Where it is nothing, it is 0.
      var hasAlpha = false
      var samples: [UInt8] = []
      samples.reserveCapacity(3 * header.width * header.height)
      for y in 0..<header.height {
        for x in 0..<header.width {
          let place = rowStart(y) + step * x
          samples += [bytes[place + 2], bytes[place + 1], bytes[place]]
          hasAlpha = hasAlpha || (step == 4 && bytes[place + 3] != 0)
        }
      }
      var image = Image(
        width: header.width, height: header.height, channels: 3, bitsPerSample: 8,
        samples: .uint8(samples))
      image.hasLostAlpha = hasAlpha
      return image
    }
    var entries: [UInt8] = []
    entries.reserveCapacity(header.width * header.height)
    let mask = (1 << header.bits) - 1
    for y in 0..<header.height {
      for x in 0..<header.width {
        let bit = x * header.bits
        let entry = Int(bytes[rowStart(y) + bit / 8]) >> (8 - header.bits - bit % 8) & mask
        guard entry < header.entryCount else {
          throw damageError(
            path: file.path, kind: .bitmap,
            found: "entry \(entry) of a palette of \(header.entryCount)")
        }
        entries.append(UInt8(entry))
      }
    }
    return image(entries, of: header, palette: palette, purpose)
  }

  /// Entries as they are for a mask, else as the colours or greys of the palette: blue, green, red.
  private static func image(
    _ entries: [UInt8], of header: Header, palette: [UInt8], _ purpose: ImageFile.Purpose
  ) -> Image {
    func image(_ channels: Int, _ bits: Int, _ samples: [UInt8]) -> Image {
      Image(
        width: header.width, height: header.height, channels: channels, bitsPerSample: bits,
        samples: .uint8(samples))
    }
    guard purpose == .image else { return image(1, header.bits, entries) }
    var isGrey = true
    for start in stride(from: 0, to: 4 * header.entryCount, by: 4) {
      let blue = palette[start]
      isGrey = isGrey && palette[start + 1] == blue && palette[start + 2] == blue
    }
    if isGrey { return image(1, 8, entries.map { palette[4 * Int($0)] }) }
    var colours: [UInt8] = []
    colours.reserveCapacity(3 * entries.count)
    for entry in entries {
      let start = 4 * Int(entry)
      colours += [palette[start + 2], palette[start + 1], palette[start]]
    }
    return image(3, 8, colours)
  }

  private static func header(of file: borrowing InputFile) throws(FileError) -> Header {
    let path = file.path
    guard file.byteCount >= 54 else {
      throw damageError(path: path, kind: .bitmap, found: "no complete header")
    }
    let bytes = try file.bytes(at: 0, count: 54)
    func number(_ offset: Int, _ count: Int) -> Int {
      bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
    func signed(_ offset: Int) -> Int { Int(Int32(truncatingIfNeeded: number(offset, 4))) }
    let (size, bits, compression) = (number(14, 4), number(28, 2), number(30, 4))
    guard [40, 52, 56, 64, 108, 124].contains(size) else {
      throw unsupportedError(path: path, kind: .bitmap, found: "a header of \(size) bytes")
    }
    // Bit fields (3) of 32 bits are read where they have the usual order.
    var isUsual = compression == 0
    if compression == 3, bits == 32, file.byteCount >= 66 {
      isUsual =
        try file.bytes(at: 54, count: 12) == [0, 0, 0xFF, 0, 0, 0xFF, 0, 0, 0xFF, 0, 0, 0]
    }
    guard [1, 4, 8, 24, 32].contains(bits), isUsual else {
      throw unsupportedError(
        path: path, kind: .bitmap, found: "\(bits) bits a pixel, compression \(compression)")
    }
    let (width, height) = (signed(18), signed(22))
    guard width > 0, height != 0 else {
      throw damageError(
        path: path, kind: .bitmap, found: "an image of \(width) x \(height) pixels")
    }
    let channels = bits > 8 ? 3 : 1
    guard width <= ImageFile.maximumSide, abs(height) <= ImageFile.maximumSide,
      width * abs(height) * channels <= ImageFile.maximumDecodedByteCount
    else {
      throw tooLargeError(path: path, found: "an image of \(width) x \(abs(height)) pixels")
    }
    try AvailableMemory.check(2 * width * abs(height) * channels, path: path)
    let most = bits <= 8 ? 1 << bits : 0
    let used = number(46, 4)
    let header = Header(
      width: width, height: abs(height), isTopDown: height < 0, bits: bits,
      entryCount: bits > 8 ? 0 : used == 0 ? most : min(used, most), paletteOffset: 14 + size,
      pixelOffset: number(10, 4))
    guard header.pixelOffset >= header.paletteOffset + 4 * header.entryCount else {
      throw damageError(path: path, kind: .bitmap, found: "pixels within the palette")
    }
    return header
  }
}
