// PNG and NumPy files as written: round trips, header bytes, replacement as a whole.

import Files
import Foundation
import Imaging
import Testing

@Suite struct WritingTests {
  @Test(arguments: [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)])
  func pngRoundTrip(bits: Int, channels: Int) throws {
    let values = Fixture.integers(bits: bits, channels: channels)
    let image = Image(
      width: Fixture.width, height: Fixture.height, channels: channels, bitsPerSample: bits,
      samples: bits == 16 ? .uint16(values.map { UInt16($0) }) : .uint8(values.map { UInt8($0) }))
    let folder = try ScratchFolder()
    let path = folder.path + "/image.png"
    try PNGFile.write(image, to: path)
    #expect(try ImageFile.read(path) == image)
    #expect(try folder.contents() == ["image.png"])
  }

  /// Rows of few bytes are inflated all at once before libpng reads them, others by it.
  @Test(arguments: [1, 2, 255, 256, 257, 510, 511, 512, 513, 700]) func pngsOfAnyWidth(_ width: Int)
    throws
  {
    let folder = try ScratchFolder()
    for (bits, channels) in [(1, 1), (8, 1), (16, 1), (8, 3), (16, 3)] {
      let values = (0..<width * 9 * channels).map { ($0 * $0 / 7 + $0 % 13) % (1 << bits) }
      let image = Image(
        width: width, height: 9, channels: channels, bitsPerSample: bits,
        samples: bits == 16 ? .uint16(values.map { UInt16($0) }) : .uint8(values.map { UInt8($0) }))
      let path = folder.path + "/image.png"
      try PNGFile.write(image, to: path)
      #expect(try ImageFile.read(path) == image)
    }
  }

  @Test func pngReplacesTheOldFile() throws {
    let folder = try ScratchFolder()
    let path = try folder.file("image.png", Array("something longer than a picture".utf8))
    let image = Image(width: 1, height: 1, channels: 1, bitsPerSample: 8, samples: .uint8([7]))
    try PNGFile.write(image, to: path)
    #expect(try ImageFile.read(path) == image)
  }

  @Test func pngRefusesFloatingPoint() throws {
    let folder = try ScratchFolder()
    let image = Image(width: 1, height: 1, channels: 1, bitsPerSample: 32, samples: .float32([7]))
    #expect(throws: FileError.self) { try PNGFile.write(image, to: folder.path + "/a.png") }
    #expect(try folder.contents().isEmpty)
  }

  @Test func pngRefusesLongSides() throws {
    let folder = try ScratchFolder()
    let image = Image(
      width: 65537, height: 1, channels: 1, bitsPerSample: 8,
      samples: .uint8([UInt8](repeating: 0, count: 65537)))
    #expect(throws: FileError.self) { try PNGFile.write(image, to: folder.path + "/a.png") }
    #expect(try folder.contents().isEmpty)
  }

  @Test func unwritablePlaces() throws {
    let folder = try ScratchFolder()
    let image = Image(width: 1, height: 1, channels: 1, bitsPerSample: 8, samples: .uint8([7]))
    let missing = #expect(throws: FileError.self) {
      try PNGFile.write(image, to: folder.path + "/missing/a.png")
    }
    #expect(missing?.code == ENOENT)
    // A directory in the way: the temporary file must not stay behind.
    try FileManager.default.createDirectory(
      atPath: folder.path + "/a.png", withIntermediateDirectories: false)
    #expect(throws: FileError.self) { try PNGFile.write(image, to: folder.path + "/a.png") }
    #expect(throws: FileError.self) {
      try NumPyFile.write([1], shape: [1], to: folder.path + "/a.png")
    }
    #expect(try folder.contents() == ["a.png"])
    #expect(throws: FileError.self) { try PNGFile.write(image, to: "") }
  }

  /// Nil where `write` succeeds.
  static func failure(_ write: () throws(FileError) -> Void) -> FileError? {
    do throws(FileError) {
      try write()
      return nil
    } catch {
      return error
    }
  }

  /// A limit on the size of files stands for a full disk: in a process of its own, and lifted
  /// before anything is expected, since that process reports through a file.
  @Test func fullDisk() async {
    await #expect(processExitsWith: .success) {
      let noise = (0..<4000).map { _ in UInt8.random(in: 0...255) }
      let image = Image(
        width: 4000, height: 1, channels: 1, bitsPerSample: 8, samples: .uint8(noise))
      let values = [Float](repeating: 1, count: 1000)
      let folder = try ScratchFolder()
      signal(SIGXFSZ, SIG_IGN)
      let fileSize = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
      var limit = rlimit(rlim_cur: 1000, rlim_max: .max)
      setrlimit(fileSize, &limit)
      let array = WritingTests.failure { () throws(FileError) in
        try NumPyFile.write(values, shape: [1000], to: folder.path + "/a.npy")
      }
      let picture = WritingTests.failure { () throws(FileError) in
        try PNGFile.write(image, to: folder.path + "/a.png")
      }
      limit.rlim_cur = .max
      setrlimit(fileSize, &limit)
      #expect(array?.code == EFBIG)
      #expect(picture?.found == "File too large")
      #expect(try folder.contents().isEmpty)
    }
  }

  @Test(arguments: [
    ([2, 3], "(2, 3)"), ([6], "(6,)"), ([1, 2, 3], "(1, 2, 3)"), ([6, 1, 1, 1], "(6, 1, 1, 1)"),
  ])
  func numPyBytes(shape: [Int], tuple: String) throws {
    let folder = try ScratchFolder()
    let path = folder.path + "/values.npy"
    let values: [Float] = [0, 1, -2, 0.5, .infinity, 3.25]
    try NumPyFile.write(values, shape: shape, to: path)
    let bytes = try FileBytes.read(path)
    #expect(Array(bytes[..<8]) == [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0])
    let headerCount = Int(bytes[8]) | Int(bytes[9]) << 8
    #expect((10 + headerCount) % 64 == 0)
    let header = String(decoding: bytes[10..<10 + headerCount], as: UTF8.self)
    #expect(
      header.hasPrefix("{'descr': '<f4', 'fortran_order': False, 'shape': \(tuple), }"))
    #expect(header.hasSuffix("\n"))
    let data = Array(bytes[(10 + headerCount)...])
    #expect(data.count == 24)
    #expect(Array(data[4..<12]) == [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0])
    #expect(try folder.contents() == ["values.npy"])
  }

  @Test func numPyScalarAndEmpty() throws {
    let folder = try ScratchFolder()
    try NumPyFile.write([7], shape: [], to: folder.path + "/scalar.npy")
    let scalar = try FileBytes.read(folder.path + "/scalar.npy")
    #expect(String(decoding: scalar, as: UTF8.self).contains("'shape': (), }"))
    try NumPyFile.write([], shape: [0, 3], to: folder.path + "/empty.npy")
    #expect(try FileBytes.read(folder.path + "/empty.npy").count == 128)
  }
}
