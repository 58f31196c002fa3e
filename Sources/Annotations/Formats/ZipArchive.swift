// Reading archives of small files.

import CZlib
import Files

/// ZIP archives of small files, stored or deflated; neither encrypted nor of 64-bit sizes.
///
/// Source: PKWARE's APPNOTE.TXT. What its directory says is believed as far as it agrees with the file: a
/// place beyond the end, a size beyond the limits or a checksum that differs is an error.
enum ZipArchive {
  /// The greatest accepted size of an archive, and of all that is in it.
  static let sizeLimit = 1 << 28

  /// The files of an archive in the order of its directory; folders are left out.
  ///
  /// - Throws: `FileError`.
  static func files(_ path: String) throws(FileError) -> [(name: String, bytes: [UInt8])] {
    let archive = try InputFile.contents(of: path, limit: sizeLimit)
    let reader = Reader(bytes: archive, path: path)
    return try reader.files()
  }

  private struct Reader {
    let bytes: [UInt8]
    let path: String

    func files() throws(FileError) -> [(name: String, bytes: [UInt8])] {
      let end = try endOfDirectory()
      let count = try short(end + 10)
      var place = try word(end + 16)
      var left = ZipArchive.sizeLimit
      var files: [(name: String, bytes: [UInt8])] = []
      for _ in 0..<count {
        guard try word(place) == 0x0201_4B50 else { throw damaged("another directory") }
        let (flags, method) = (try short(place + 8), try short(place + 10))
        let (checksum, packed, size) = (
          try word(place + 16), try word(place + 20), try word(place + 24)
        )
        let nameCount = try short(place + 28)
        let rest = try short(place + 30) + short(place + 32)
        let local = try word(place + 42)
        let name = String(decoding: try slice(place + 46, nameCount), as: UTF8.self)
        place += 46 + nameCount + rest
        if name.hasSuffix("/") { continue }
        guard flags & 1 == 0, method == 0 || method == 8 else {
          throw damaged("\(name), encrypted or packed by the method \(method)")
        }
        guard size <= left else { throw damaged("more than \(ZipArchive.sizeLimit) bytes in it") }
        left -= size
        guard try word(local) == 0x0403_4B50 else {
          throw damaged("no file where \(name) should be")
        }
        let start = try local + 30 + short(local + 26) + short(local + 28)
        let contents = try method == 0 ? stored(start, packed, size) : inflated(start, packed, size)
        guard let contents, crc32(0, contents, UInt32(contents.count)) == UInt(checksum) else {
          throw damaged("\(name) of another size or checksum")
        }
        files.append((name, contents))
      }
      return files
    }

    /// The place of the record behind the directory, which ends with a comment of at most 65,535 bytes.
    private func endOfDirectory() throws(FileError) -> Int {
      var place = bytes.count - 22
      while place >= max(0, bytes.count - 22 - 65_535) {
        if bytes[place] == 0x50, try word(place) == 0x0605_4B50 { return place }
        place -= 1
      }
      throw damaged("no directory")
    }

    private func stored(_ start: Int, _ packed: Int, _ size: Int) throws(FileError) -> [UInt8]? {
      packed == size ? Array(try slice(start, size)) : nil
    }

    private func inflated(_ start: Int, _ packed: Int, _ size: Int) throws(FileError) -> [UInt8]? {
      var source = Array(try slice(start, packed))
      // One byte more, so that a file that is longer than it says is found out.
      var result = [UInt8](repeating: 0, count: size + 1)
      var stream = z_stream()
      // Without a header, as archives have it.
      guard
        inflateInit2_(&stream, -MAX_WBITS, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size)) == Z_OK
      else { throw damaged("no memory to unpack it") }
      defer { inflateEnd(&stream) }
      let status = source.withUnsafeMutableBufferPointer { source in
        result.withUnsafeMutableBufferPointer { result in
          stream.next_in = source.baseAddress
          stream.avail_in = UInt32(source.count)
          stream.next_out = result.baseAddress
          stream.avail_out = UInt32(result.count)
          return inflate(&stream, Z_FINISH)
        }
      }
      guard status == Z_STREAM_END, Int(stream.total_out) == size else { return nil }
      result.removeLast()
      return result
    }

    private func slice(_ start: Int, _ count: Int) throws(FileError) -> ArraySlice<UInt8> {
      guard start >= 0, count >= 0, start <= bytes.count, count <= bytes.count - start else {
        throw damaged("a place beyond its end")
      }
      return bytes[start..<start + count]
    }

    private func short(_ place: Int) throws(FileError) -> Int {
      let two = Array(try slice(place, 2))
      return Int(two[0]) | Int(two[1]) << 8
    }

    private func word(_ place: Int) throws(FileError) -> Int {
      try short(place) | short(place + 2) << 16
    }

    private func damaged(_ found: String) -> FileError {
      FileError(
        path: path, expected: "a ZIP archive of regions", found: found,
        hint: "save it again by ImageJ's ROI manager")
    }
  }
}
