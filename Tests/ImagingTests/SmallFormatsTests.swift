// BMP, NIfTI and NumPy files, byte by byte.

import Files
import Foundation
import Imaging
import Testing

@Suite struct SmallFormatsTests {
  private func littleEndian(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  private func read(
    _ bytes: [UInt8], page: Int = 0, as purpose: ImageFile.Purpose = .image
  ) throws -> Image {
    let folder = try ScratchFolder()
    return try ImageFile.read(try folder.file("file", bytes), page: page, as: purpose)
  }

  private func failure(_ bytes: [UInt8]) throws -> FileError? {
    let folder = try ScratchFolder()
    return DamageTests.failure(try folder.file("file", bytes))
  }

  // MARK: BMP

  private func bitmap(
    _ width: Int, _ height: Int, bits: Int, palette: [UInt8] = [], compression: Int = 0,
    rows: [UInt8]
  ) -> [UInt8] {
    let offset = 54 + palette.count
    var bytes = Array("BM".utf8)
    for value in [offset + rows.count, 0, offset, 40, width, height] {
      bytes += littleEndian(value, 4)
    }
    bytes += littleEndian(1, 2) + littleEndian(bits, 2)
    for value in [compression, rows.count, 0, 0, palette.count / 4, 0] {
      bytes += littleEndian(value, 4)
    }
    return bytes + palette + rows
  }

  private static let black: [UInt8] = [0, 0, 0, 0]
  private static let white: [UInt8] = [255, 255, 255, 0]
  private static let red: [UInt8] = [0, 0, 255, 0]

  @Test func bitmaps() throws {
    // Rows from the bottom, each filled up to 4 bytes.
    let colours = bitmap(2, 2, bits: 24, rows: [1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0])
    #expect(try read(colours).samples == .uint8([9, 8, 7, 12, 11, 10, 3, 2, 1, 6, 5, 4]))
    let topDown = bitmap(1, -2, bits: 32, rows: [1, 2, 3, 255, 4, 5, 6, 255])
    #expect(try read(topDown).samples == .uint8([3, 2, 1, 6, 5, 4]))
    #expect(try read(topDown).hasLostAlpha)
    let opaque = bitmap(1, 1, bits: 32, rows: [1, 2, 3, 0])
    #expect(try !read(opaque).hasLostAlpha)
    let mask = bitmap(
      3, 1, bits: 8, palette: Self.black + Self.red + Self.red, rows: [0, 1, 2, 0])
    #expect(try read(mask, as: .mask).samples == .uint8([0, 1, 2]))
    #expect(try read(mask).samples == .uint8([0, 0, 0, 255, 0, 0, 255, 0, 0]))
    let bits = bitmap(
      4, 1, bits: 1, palette: Self.white + Self.black, rows: [0b0110_0000, 0, 0, 0])
    #expect(try read(bits).samples == .uint8([255, 0, 0, 255]) && read(bits).channels == 1)
    #expect(try read(bits, as: .mask).samples == .uint8([0, 1, 1, 0]))
    let four = bitmap(3, 1, bits: 4, palette: Self.black + Self.white, rows: [0x01, 0x10, 0, 0])
    #expect(try read(four, as: .mask).samples == .uint8([0, 1, 1]))
  }

  @Test func bitmapsThatAreNotRead() throws {
    let good = bitmap(2, 1, bits: 8, palette: Self.black + Self.white, rows: [0, 1, 0, 0])
    for count in 0..<good.count {
      #expect(try failure(Array(good.prefix(count))) != nil, "\(count) bytes")
    }
    let beyond = bitmap(2, 1, bits: 8, palette: Self.black + Self.white, rows: [0, 2, 0, 0])
    #expect(try failure(beyond)?.found.contains("entry 2 of a palette of 2") == true)
    let packed = bitmap(2, 1, bits: 8, compression: 1, rows: [0, 0, 0, 0])
    #expect(try failure(packed)?.found.contains("compression 1") == true)
    let huge = bitmap(60000, 60000, bits: 24, rows: [])
    #expect(try failure(huge)?.expected.contains("at most") == true)
  }

  @Test func everyByteOfSmallFiles() throws {
    let files = [
      bitmap(2, 1, bits: 8, palette: Self.black + Self.white, rows: [0, 1, 0, 0]),
      nifti([2, 1, 2], type: 4, bits: 16, (0..<4).flatMap { littleEndian($0, 2) }),
      numPy("'<f4'", "(1, 2)", littleEndian(0, 8)),
    ]
    for bytes in files {
      let file = try MutableFile(bytes)
      for flip in [UInt8(0xFF), 1, 0x80] {
        for offset in bytes.indices {
          try file.set(bytes[offset] ^ flip, at: offset)
          if let error = DamageTests.failure(file.path) {
            #expect(DamageTests.isOneCleanLine(error, file.path))
          }
          try file.set(bytes[offset], at: offset)
        }
      }
    }
  }

  // MARK: NIfTI

  private func nifti(
    _ axes: [Int], type: Int, bits: Int, slope: Float = 0, intercept: Float = 0,
    isBigEndian: Bool = false, _ data: [UInt8]
  ) -> [UInt8] {
    func number(_ value: Int, _ count: Int) -> [UInt8] {
      let bytes = littleEndian(value, count)
      return isBigEndian ? bytes.reversed() : bytes
    }
    func float(_ value: Float) -> [UInt8] { number(Int(value.bitPattern), 4) }
    var header = [UInt8](repeating: 0, count: 352)
    func set(_ bytes: [UInt8], at offset: Int) {
      header.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }
    set(number(348, 4), at: 0)
    let sizes = [axes.count] + axes + [Int](repeating: 1, count: 7 - axes.count)
    set(sizes.flatMap { number($0, 2) }, at: 40)
    set(number(type, 2) + number(bits, 2), at: 70)
    set(float(352) + float(slope) + float(intercept), at: 108)
    set(Array("n+1".utf8) + [0], at: 344)
    return header + data
  }

  @Test func slicesOfAVolume() throws {
    let data = (0..<12).flatMap { littleEndian($0 - 3, 2) }
    let volume = nifti([2, 3, 2], type: 4, bits: 16, data)
    let folder = try ScratchFolder()
    let path = try folder.file("a.nii", volume)
    #expect(try ImageFile.pageCount(path) == 2)
    let slices = try ImageFile.readAll(path)
    #expect(slices.map(\.width) == [2, 2] && slices.map(\.height) == [3, 3])
    #expect(slices[0].samples == .int16([-3, -2, -1, 0, 1, 2]))
    #expect(slices[1].samples == .int16([3, 4, 5, 6, 7, 8]))
    #expect(try read(volume, page: 1) == slices[1])
    #expect(throws: FileError.self) { try read(volume, page: 2) }

    #expect(try ImageFile.contents(of: path).volumeCount == 1)
    // Three times of two slices: channels of an image, and no colours of a mask.
    let times = nifti([1, 1, 2, 3], type: 2, bits: 8, [1, 2, 3, 4, 5, 6])
    let timesPath = try folder.file("b.nii", times)
    let contents = try ImageFile.contents(of: timesPath)
    #expect(contents.imageCount == 2 && contents.volumeCount == 3)
    #expect(try read(times).samples == .uint8([1, 3, 5]))
    let error = #expect(throws: FileError.self) { try read(times, as: .mask) }
    #expect(error?.found.contains("a mask of 3 volumes") == true, "\(String(describing: error))")

    let turned = nifti(
      [2, 3, 2], type: 4, bits: 16, isBigEndian: true,
      (0..<12).flatMap { littleEndian($0 - 3, 2).reversed() })
    #expect(try read(turned, page: 1) == slices[1])
  }

  @Test func scalesAreAppliedToImagesAlone() throws {
    let scaled = nifti([2, 1, 1], type: 2, bits: 8, slope: 0.5, intercept: -1, [0, 4])
    #expect(try read(scaled).samples == .float32([-1, 1]))
    #expect(try read(scaled, as: .mask).samples == .uint8([0, 4]))
    let plain = nifti([2, 1, 1], type: 2, bits: 8, slope: 1, [0, 4])
    #expect(try read(plain).samples == .uint8([0, 4]))
  }

  @Test func volumesAreChannels() throws {
    let volumes = nifti([2, 1, 2, 3], type: 2, bits: 8, (0..<12).map { UInt8($0) })
    #expect(try read(volumes).samples == .uint8([0, 4, 8, 1, 5, 9]))
    #expect(try read(volumes, page: 1).samples == .uint8([2, 6, 10, 3, 7, 11]))
    let colours = nifti([2, 1, 1], type: 128, bits: 24, [1, 2, 3, 4, 5, 6])
    #expect(try read(colours).samples == .uint8([1, 2, 3, 4, 5, 6]) && read(colours).channels == 3)
  }

  /// A volume is unpacked once; another file in its place is another volume.
  @Test func slicesOfAGzippedVolume() throws {
    let folder = try ScratchFolder()
    func gzipped(_ first: Int) throws -> String {
      let data = (0..<60).map { UInt8($0 + first) }
      let plain = try folder.file("a.nii", nifti([2, 3, 10], type: 2, bits: 8, data))
      let gzip = Process()
      gzip.executableURL = URL(fileURLWithPath: "/bin/gzip")
      gzip.arguments = ["-f", plain]
      try gzip.run()
      gzip.waitUntilExit()
      try #require(gzip.terminationStatus == 0)
      return plain + ".gz"
    }
    for first in [0, 100] {
      let path = try gzipped(first)
      #expect(try ImageFile.pageCount(path) == 10)
      for page in [9, 0, 4] {
        let start = UInt8(first + 6 * page)
        #expect(try ImageFile.read(path, page: page).samples == .uint8(Array(start..<start + 6)))
      }
      #expect(throws: FileError.self) { try ImageFile.read(path, page: 10) }
    }
    let whole = Array(try Data(contentsOf: URL(fileURLWithPath: try gzipped(0))))
    for count in [whole.count - 9, whole.count / 2, 20, 4] {
      let error = try failure(Array(whole.prefix(count)))
      #expect(error?.found.isEmpty == false, "\(count) bytes")
    }
  }

  @Test func volumesThatAreNotRead() throws {
    let good = nifti([2, 1, 1], type: 64, bits: 64, littleEndian(0, 16))
    #expect(try read(good).samples == .float32([0, 0]))
    for count in stride(from: 0, to: good.count, by: 7) {
      #expect(try failure(Array(good.prefix(count))) != nil, "\(count) bytes")
    }
    #expect(try failure(nifti([2, 1, 1], type: 32, bits: 64, [])) != nil)
    let huge = nifti([30000, 30000, 30000], type: 2, bits: 8, [1, 2])
    #expect(try failure(huge)?.found.contains("fewer samples") == true)
  }

  // MARK: NumPy

  private func numPy(
    _ description: String, _ shape: String, fortran: Bool = false, version: UInt8 = 1,
    _ data: [UInt8]
  ) -> [UInt8] {
    let text =
      "{'descr': \(description), 'fortran_order': \(fortran ? "True" : "False"), "
      + "'shape': \(shape), }\n"
    var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8)
    bytes += [version, 0]
    bytes += littleEndian(text.utf8.count, version == 1 ? 2 : 4)
    return bytes + Array(text.utf8) + data
  }

  @Test func arrays() throws {
    let bytes = (0..<6).map { UInt8($0) }
    let plain = try read(numPy("'|u1'", "(2, 3)", bytes))
    #expect(plain.width == 3 && plain.height == 2 && plain.samples == .uint8(bytes))
    // The first axis fastest: columns one after another.
    #expect(
      try read(numPy("'|u1'", "(2, 3)", fortran: true, bytes)).samples
        == .uint8([0, 2, 4, 1, 3, 5]))
    let channels = try read(numPy("'|u1'", "(1, 2, 3)", bytes))
    #expect(channels.channels == 3 && channels.width == 2)
    let stack = numPy("'|u1'", "(2, 1, 5)", (0..<10).map { UInt8($0) })
    #expect(try read(stack, page: 1).samples == .uint8([5, 6, 7, 8, 9]))
    let turned = numPy("'|u1'", "(2, 1, 5)", fortran: true, (0..<10).map { UInt8($0) })
    #expect(try read(turned, page: 1).samples == .uint8([1, 3, 5, 7, 9]))
    let all = numPy("'|u1'", "(2, 1, 1, 2)", [1, 2, 3, 4])
    #expect(try read(all, page: 1).samples == .uint8([3, 4]))
    // Five bands of a spectrum: the shortest of three axes, and the last of four.
    let spectra = try read(numPy("'|u1'", "(6, 7, 5)", (0..<210).map { UInt8($0) }))
    #expect(spectra.channels == 5 && spectra.width == 7 && spectra.height == 6)
    let one = try read(numPy("'|u1'", "(1, 2, 3, 5)", (0..<30).map { UInt8($0) }))
    #expect(one.channels == 5 && one.width == 3 && one.height == 2)
    #expect(try read(numPy("'|u1'", "(5, 6, 5)", (0..<150).map { UInt8($0) })).channels == 1)
  }

  @Test func elements() throws {
    func values(_ description: String, _ data: [UInt8], version: UInt8 = 1) throws -> Image.Samples
    {
      try read(numPy(description, "(1, 1)", version: version, data)).samples
    }
    #expect(try values("'|b1'", [1]) == .uint8([1]))
    #expect(try values("'|i1'", [0xFE]) == .int8([-2]))
    #expect(try values("'>u2'", [1, 2]) == .uint16([0x102]))
    #expect(try values("'<i2'", [0xFE, 0xFF], version: 2) == .int16([-2]))
    #expect(try values("'<u4'", [1, 0, 0, 0x80], version: 3) == .uint32([0x8000_0001]))
    #expect(try values("'>i4'", [0xFF, 0xFF, 0xFF, 0xFE]) == .int32([-2]))
    #expect(try values("'<i8'", littleEndian(-7, 8)) == .int32([-7]))
    #expect(try values("'<u8'", littleEndian(7, 8)) == .uint32([7]))
    #expect(try values("'<f2'", [0, 0xC0]) == .float32([-2]))
    #expect(try values("'<f4'", [0, 0, 0, 0x40]) == .float32([2]))
    #expect(try values("'>f8'", [0x40, 0, 0, 0, 0, 0, 0, 0]) == .float32([2]))
  }

  @Test(arguments: [
    ("'<f4'", "(2,)", 8, "the shape"), ("'<f4'", "()", 4, "the shape"),
    ("'<f4'", "(1, 2)", 9, "9 bytes for 8"), ("'<f4'", "(1, 2)", 4, "4 bytes for 8"),
    ("'|O'", "(1, 1)", 8, "elements of |O"), ("'<c8'", "(1, 1)", 8, "elements of <c8"),
    ("[('a', '<f4')]", "(1, 1)", 4, "elements of ["), ("'<f4'", "(1, 0)", 0, "the shape"),
    ("'<f4'", "(99999999, 99999999)", 4, "the shape"), ("'<f4'", "(1, -2)", 8, "the shape"),
    ("'<f4'", "(1, x)", 8, "a header that is none"), ("'<i8'", "(1, 1)", 8, "beyond 32 bits"),
    ("'|u1'", "(2, 2, 2, 2, 2)", 32, "the shape"),
  ])
  func arraysThatAreNotRead(
    description: String, shape: String, count: Int, found: String
  ) throws {
    let data = [UInt8](repeating: 0x7F, count: count)
    let error = try #require(try failure(numPy(description, shape, data)))
    #expect(error.found.contains(found), "\(error)")
  }
}
