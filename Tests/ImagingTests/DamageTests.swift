// Files that are cut, corrupted, hostile, unsupported or no files at all: one error, never a trap.

import Files
import Foundation
import Imaging
import TestSupport
import Testing

/// Whole files as bytes.
enum FileBytes {
  static func read(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(filePath: path)))
  }
}

/// A file that is changed in place between two readings.
final class MutableFile {
  let path: String
  private let folder: ScratchFolder
  private let handle: FileHandle

  init(_ bytes: [UInt8]) throws {
    folder = try ScratchFolder()
    path = try folder.file("image", bytes)
    handle = try FileHandle(forUpdating: URL(filePath: path))
  }

  func truncate(to count: Int) throws {
    try handle.truncate(atOffset: UInt64(count))
  }

  func set(_ byte: UInt8, at offset: Int) throws {
    try handle.seek(toOffset: UInt64(offset))
    handle.write(Data([byte]))
  }
}

@Suite struct DamageTests {
  /// Nil where the file decodes, else its error; anything else never returns.
  static func failure(_ path: String) -> FileError? {
    do throws(FileError) {
      _ = try ImageFile.readAll(path)
      return nil
    } catch {
      return error
    }
  }

  static func isOneCleanLine(_ error: FileError, _ path: String) -> Bool {
    let text = error.description
    return text.hasPrefix(path) && text.utf8.count < 600
      && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
  }

  @Test func everyTruncation() throws {
    for name in try Fixture.names() {
      let bytes = try FileBytes.read(Fixture.path(name))
      let file = try MutableFile(bytes)
      for count in stride(from: bytes.count - 1, through: 0, by: -1) {
        try file.truncate(to: count)
        guard let error = Self.failure(file.path) else {
          // A TIFF may end in padding, and that alone may be missing; a JPEG may lack its end marker.
          let isPadding = name.hasSuffix(".tif") && bytes[count...].allSatisfy { $0 == 0 }
          let isEnd = name.hasSuffix(".jpg") && bytes.count - count <= 2
          #expect(isPadding || isEnd, "\(name) cut to \(count) bytes decodes")
          continue
        }
        #expect(Self.isOneCleanLine(error, file.path))
      }
    }
  }

  @Test(arguments: [UInt8(0xFF), 0x80, 0x01, 0x10])
  func everyCorruptedByte(flip: UInt8) throws {
    for name in try Fixture.names() {
      let bytes = try FileBytes.read(Fixture.path(name))
      let file = try MutableFile(bytes)
      for offset in bytes.indices {
        try file.set(bytes[offset] ^ flip, at: offset)
        if let error = Self.failure(file.path) {
          #expect(Self.isOneCleanLine(error, file.path))
        }
        try file.set(bytes[offset], at: offset)
      }
    }
  }

  /// A wrong bit in a PNG's pixels or header is always found, by its checksums.
  @Test func corruptedPNGNeverDecodes() throws {
    let bytes = try FileBytes.read(Fixture.path("rgb8.png"))
    let file = try MutableFile(bytes)
    for offset in bytes.indices {
      try file.set(bytes[offset] ^ 0x04, at: offset)
      #expect(Self.failure(file.path) != nil, "byte \(offset)")
      try file.set(bytes[offset], at: offset)
    }
  }

  /// Chunks of pixels that are many, empty, behind others or damaged, and what is not as it says.
  @Test func chunksOfPixels() throws {
    let folder = try ScratchFolder()
    let rows: [[UInt8]] = (0..<5).map { row in (0..<7).map { UInt8($0 * 9 + row) } }
    let whole = PNGBytes.file(width: 7, height: 5, bits: 8, color: 0, rows: rows)
    let start = 33
    let count = whole.count - start - 24
    let pixels = Array(whole[start + 8..<start + 8 + count])
    let (head, tail) = (Array(whole[..<start]), Array(whole.suffix(12)))
    func chunk(_ bytes: some Sequence<UInt8>) -> [UInt8] { PNGBytes.chunk("IDAT", Array(bytes)) }
    func read(_ chunks: [UInt8]) throws -> [Int]? {
      try ImageFile.read(try folder.file("a.png", head + chunks + tail)).integers
    }
    let expected = rows.flatMap { $0.map(Int.init) }
    let text = PNGBytes.chunk("tEXt", Array("a".utf8) + [0, 7])
    #expect(try read(chunk(pixels)) == expected)
    #expect(try read(pixels.flatMap { chunk([$0]) + chunk([]) }) == expected)
    #expect(try read(text + chunk(pixels) + text) == expected)
    #expect(try read(chunk(pixels + [1, 2, 3])) == expected)
    var otherFilter = pixels
    otherFilter[7] = 9
    let (cut, otherSum) = (pixels.dropLast(9), pixels.dropLast() + [pixels[count - 1] ^ 1])
    var damaged = chunk(pixels)
    damaged[20] ^= 1
    for chunks in [chunk(cut), chunk(otherSum), chunk(otherFilter), damaged, text, chunk([])] {
      #expect(throws: FileError.self) { try read(chunks) }
    }
    // Pixels behind another chunk are no more of them.
    #expect(throws: FileError.self) {
      try read(chunk(pixels.prefix(20)) + text + chunk(pixels.dropFirst(20)))
    }
  }

  @Test func librariesPrintNothing() async throws {
    let result = await #expect(
      processExitsWith: .success,
      observing: [\.standardErrorContent, \.standardOutputContent]
    ) {
      for name in try Fixture.names() {
        let bytes = try FileBytes.read(Fixture.path(name))
        let file = try MutableFile(bytes)
        for offset in stride(from: 0, to: bytes.count, by: 3) {
          try file.set(bytes[offset] ^ 0x11, at: offset)
          _ = DamageTests.failure(file.path)
          try file.set(bytes[offset], at: offset)
        }
        try file.truncate(to: bytes.count * 2 / 3)
        _ = DamageTests.failure(file.path)
      }
    }
    let error = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
    #expect(error == "")
    #expect(output == "")
  }

  @Test(arguments: [
    ("unsupported-complex64.tif", "64-bit complex floating point"),
    ("unsupported-cmyk.tif", "CMYK"),
    ("unsupported-jpegxl.tif", "JPEG XL compression"),
    ("unsupported-cmyk.jpg", "CMYK"),
  ])
  func unsupportedKinds(name: String, found: String) throws {
    let error = try #require(Self.failure(Fixture.path(name)))
    #expect(error.found.contains(found), "\(error)")
    #expect(error.expected.contains("grey"), "\(error)")
  }

  /// libtiff would give differences of neighbours for the samples.
  @Test func aPredictorThatNobodyUndoes() throws {
    // PackBits of the three bytes 1, 2, 3 as they are.
    let folder = try ScratchFolder()
    func file(_ tags: [Int: TIFFValue]) throws -> String {
      let page = TIFFPage(
        3, 1, strips: [[2, 1, 2, 3]], [259: .shorts([32773])].merging(tags) { $1 })
      return try folder.file("a.tif", TIFFBytes.file([page]))
    }
    for tags in [[:], [317: TIFFValue.shorts([1])]] {
      #expect(try ImageFile.read(file(tags)).samples == .uint8([1, 2, 3]))
    }
    let error = try #require(Self.failure(try file([317: .shorts([2])])))
    #expect(error.found.contains("PackBits compression with the predictor 2"), "\(error)")
  }

  // MARK: Headers that claim too much

  @Test(arguments: [
    [65537, 1], [1, 65537], [0x7FFF_FFFF, 0x7FFF_FFFF], [65536, 65536], [0xFFFF_FFFF, 1],
    [65536, 5462],
  ])
  func oversizedPNG(sides: [UInt32]) throws {
    var bytes = try FileBytes.read(Fixture.path("rgb8.png"))
    bytes.replaceSubrange(16..<24, with: sides.flatMap(PNGBytes.bigEndian))
    bytes.replaceSubrange(29..<33, with: PNGBytes.bigEndian(PNGBytes.crc32(Array(bytes[12..<29]))))
    let folder = try ScratchFolder()
    let error = try #require(Self.failure(try folder.file("large.png", bytes)))
    #expect(error.expected.contains("at most 65536 pixels, at most 1024 MiB"), "\(error)")
  }

  /// Offset of the value of a 32-bit or 16-bit tag in the first directory of a little-endian file.
  private func valueOffset(of tag: UInt16, in bytes: [UInt8]) throws -> Int {
    let directory = Int(bytes[4]) | Int(bytes[5]) << 8
    let count = Int(bytes[directory])
    let entry = try #require(
      (0..<count).map { directory + 2 + 12 * $0 }.first {
        UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8 == tag
      })
    return entry + 8
  }

  @Test(arguments: [
    [UInt16(256)], [257], [256, 257], [322], [323], [322, 323],
  ])
  func oversizedTIFF(tags: [UInt16]) throws {
    let isTiled = tags[0] >= 322
    let name = isTiled ? "float32-rgb-tiles.tif" : "float32.tif"
    let sides: [[UInt8]] = [
      [0, 0, 1, 0], [1, 0, 1, 0], [0xFF, 0xFF, 0xFF, 0x7F], [0xF0, 0xFF, 0xFF, 0xFF],
    ]
    for value in sides {
      var bytes = try FileBytes.read(Fixture.path(name))
      for tag in tags {
        let offset = try valueOffset(of: tag, in: bytes)
        // The entry becomes a 32-bit one, whatever it was.
        bytes.replaceSubrange(offset - 6..<offset - 4, with: [4, 0])
        bytes.replaceSubrange(offset..<offset + 4, with: value)
      }
      let folder = try ScratchFolder()
      #expect(Self.failure(try folder.file("large.tif", bytes)) != nil, "\(tags) \(value)")
    }
  }

  @Test func oversizedJPEG() throws {
    var bytes = try FileBytes.read(Fixture.path("smooth-rgb-progressive.jpg"))
    let frame = try #require(
      bytes.indices.first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC2 })
    bytes.replaceSubrange(frame + 5..<frame + 9, with: [0xFF, 0xDC, 0xFF, 0xDC])
    let folder = try ScratchFolder()
    let error = try #require(Self.failure(try folder.file("large.jpg", bytes)))
    #expect(error.found.contains("65500 x 65500"), "\(error)")
  }

  @Test func directoriesInALoop() throws {
    var bytes = try FileBytes.read(Fixture.path("grey8.tif"))
    let directory = Int(bytes[4]) | Int(bytes[5]) << 8
    let next = directory + 2 + 12 * Int(bytes[directory])
    bytes.replaceSubrange(next..<next + 4, with: bytes[4..<8])
    let folder = try ScratchFolder()
    let path = try folder.file("loop.tif", bytes)
    #expect(throws: FileError.self) { try ImageFile.pageCount(path) }
    #expect(Self.failure(path) != nil)
  }

  @Test func tooManyPages() throws {
    // Directories of one entry each, chained; only the first has to be a page.
    let source = try FileBytes.read(Fixture.path("grey8.tif"))
    func littleEndian(_ value: Int) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    for count in [65535, 65536] {
      var bytes = source
      let directory = Int(bytes[4]) | Int(bytes[5]) << 8
      let next = directory + 2 + 12 * Int(bytes[directory])
      bytes.replaceSubrange(next..<next + 4, with: littleEndian(bytes.count))
      for page in 1..<count {
        let following = page == count - 1 ? 0 : bytes.count + 18
        bytes += [1, 0, 0, 1, 3, 0, 1, 0, 0, 0, 21, 0, 0, 0] + littleEndian(following)
      }
      let folder = try ScratchFolder()
      let path = try folder.file("pages.tif", bytes)
      if count <= ImageFile.maximumPageCount {
        #expect(try ImageFile.pageCount(path) == count)
      } else {
        #expect(throws: FileError.self) { try ImageFile.pageCount(path) }
      }
    }
  }

  // MARK: What is no image file

  @Test func notAFile() throws {
    let folder = try ScratchFolder()
    let missing = try #require(Self.failure(folder.path + "/missing.png"))
    #expect(missing.code == ENOENT)
    #expect(try #require(Self.failure(folder.path)).found == "a folder")
    #expect(try #require(Self.failure("/dev/null")).found == "a device")
    #expect(Self.failure("") != nil)
    #expect(Self.failure(Fixture.path("grey8.png") + "\0.jpg") != nil)
  }

  @Test(.timeLimit(.minutes(1))) func fifoDoesNotBlock() throws {
    let folder = try ScratchFolder()
    let path = folder.path + "/fifo.png"
    #expect(mkfifo(path, 0o600) == 0)
    #expect(try #require(Self.failure(path)).found == "a pipe")
  }

  @Test func unknownKinds() throws {
    let folder = try ScratchFolder()
    let gif = try #require(Self.failure(try folder.file("a.png", Array("GIF89a..".utf8))))
    #expect(gif.expected == "a \(ImageFile.kinds) file")
    #expect(gif.found == "a file that begins with 47 49 46 38 39 61 2E 2E")
    let empty = try #require(Self.failure(try folder.file("b.png", [])))
    #expect(empty.found == "an empty file")
  }

  @Test func descriptionsAreSafeToPrint() throws {
    let folder = try ScratchFolder()
    let error = try #require(Self.failure(folder.path + "/\u{1B}[31m\n.png"))
    #expect(
      error.description.hasPrefix(folder.path + "/?[31m?.png: expected a file, found nothing; "))
  }
}
