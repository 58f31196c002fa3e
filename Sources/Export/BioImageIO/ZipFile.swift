// Writing archives of a few files, as they are.

import CZlib
import Files

/// A ZIP archive whose files are stored, not packed: weights and numbers hardly become smaller.
///
/// Source: PKWARE's APPNOTE.TXT, 4.3.7 (local header), 4.3.12 (directory), 4.3.16 (its end). Sizes have 32 bits.
enum ZipFile {
  /// A file in an archive.
  struct Entry {
    let name: String
    let bytes: [UInt8]
  }

  /// Writes an archive, replacing the file at `path` as a whole.
  ///
  /// All files have the same date, so that the same files give the same bytes.
  ///
  /// - Throws: `FileError` also where it would take 4 GiB or more.
  static func write(_ entries: [Entry], to path: String) throws(FileError) {
    let byteCount = entries.reduce(0) { $0 + $1.bytes.count + 2 * $1.name.utf8.count + 128 }
    guard byteCount < 1 << 32, entries.count < 1 << 16 else {
      throw FileError(
        path: path, expected: "less than 4 GiB in an archive", found: byteCount.megabytes,
        hint: "export to onnx or pytorch")
    }
    var writer = try DurableFileWriter(path: path)
    var offset = 0
    func append(_ bytes: [UInt8], to writer: inout DurableFileWriter) throws(FileError) {
      try bytes.span.withUnsafeBytes { (bytes) throws(FileError) in try writer.append(bytes) }
      offset += bytes.count
    }
    var directory = Record()
    for entry in entries {
      let start = offset
      let checksum = crc32(0, entry.bytes, UInt32(entry.bytes.count))
      var local = Record()
      local.words(0x0403_4B50)
      local.common(entry, checksum: UInt32(checksum))
      local.shorts(entry.name.utf8.count, 0)
      try append(local.bytes + Array(entry.name.utf8), to: &writer)
      try append(entry.bytes, to: &writer)
      directory.words(0x0201_4B50)
      directory.shorts(20)
      directory.common(entry, checksum: UInt32(checksum))
      directory.shorts(entry.name.utf8.count, 0, 0, 0, 0)
      directory.words(0, start)
      directory.bytes += Array(entry.name.utf8)
    }
    let start = offset
    try append(directory.bytes, to: &writer)
    var end = Record()
    end.words(0x0605_4B50)
    end.shorts(0, 0, entries.count, entries.count)
    end.words(directory.bytes.count, start)
    end.shorts(0)
    try append(end.bytes, to: &writer)
    try writer.commit()
  }

  /// Numbers of 16 and 32 bits, little-endian, one behind the other.
  private struct Record {
    var bytes: [UInt8] = []

    mutating func shorts(_ values: Int...) {
      for value in values { bytes += [UInt8(value & 0xFF), UInt8(value >> 8 & 0xFF)] }
    }

    mutating func words(_ values: Int...) {
      for value in values { shorts(value & 0xFFFF, value >> 16 & 0xFFFF) }
    }

    /// What a file's header and its line in the directory have in common.
    mutating func common(_ entry: Entry, checksum: UInt32) {
      // Version 2.0, names in UTF-8, stored, midnight of 1 January 1980.
      shorts(20, 1 << 11, 0, 0, 1 << 5 | 1)
      words(Int(checksum), entry.bytes.count, entry.bytes.count)
    }
  }
}
