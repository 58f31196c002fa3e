// ImageJ's regions and archives of them, whole and damaged.

import Annotations
import Files
import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct ImageJRegionTests {
  private static let archive = AnnotationFixtures.path("regions.zip")

  private func archive() throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: Self.archive)))
  }

  private func write(_ bytes: [UInt8], _ path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  @Test func everyKindIsReadFromAnArchive() throws {
    try withTemporaryFolder { folder in
      try writePNG(folder + "/cells.png", width: 42, height: 36)
      try write(archive(), folder + "/RoiSet_cells.zip")
      let result = try imported(folder, "RoiSet_cells.zip")
      #expect(result.imageCount == 1 && result.objectCount == 7)
      #expect(result.notes == ["left out (1): regions without an area: lines, points, texts"])
      let numbers = try values(folder + "/out/instances/cells.png")
      // Three outlines of 60 pixels, one of parts of pixels, a rectangle of 8 x 6, an oval in such a one, and a
      // square with a hole joined to another.
      #expect(
        (1...7).map { number in numbers.count { $0 == number } } == [60, 60, 60, 22, 48, 36, 144])
      #expect((0..<42).filter { numbers[30 * 42 + $0] == 7 } == Array(26...29) + Array(34...41))
      #expect((0..<42).filter { numbers[15 * 42 + $0] == 4 } == Array(1...8))
      #expect((0..<42).filter { numbers[14 * 42 + $0] == 6 } == Array(14...17))
      #expect((0..<42).filter { numbers[20 * 42 + $0] == 5 } == Array(22...29))
    }
  }

  @Test func aFileIsARegionOfTheImageOfItsName() throws {
    try withTemporaryFolder { folder in
      // The archive's first region is stored, behind a header of 30 bytes and its name.
      let region = Array(try archive()[41..<41 + 220])
      for name in ["a", "b"] {
        try writePNG(folder + "/set/\(name).png", width: 12, height: 14)
        try write(region, folder + "/set/\(name).roi")
      }
      let result = try imported(folder, "set")
      #expect(result.imageCount == 2 && result.objectCount == 2)
      #expect(try values(folder + "/out/masks/b.png").reduce(0, +) == 60)
      try write(region, folder + "/set/c.roi")
      #expect(refusal(folder, "set") != nil)
    }
  }

  /// The bytes of a region composed of a line of these numbers, at a place of a stack.
  private func composed(
    _ line: [Float], page: UInt32 = 0, depth: UInt32? = nil, time: UInt32 = 0
  ) -> [UInt8] {
    func bytes(_ number: UInt32) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
    }
    var region = Array("Iout".utf8) + [0, 227, 1] + [UInt8](repeating: 0, count: 57)
    region.replaceSubrange(36..<40, with: bytes(UInt32(line.count)))
    region.replaceSubrange(56..<60, with: bytes(page))
    region += line.flatMap { bytes($0.bitPattern) }
    if let depth {
      region.replaceSubrange(60..<64, with: bytes(UInt32(region.count)))
      region += [0, 0, 0, 0].flatMap { bytes($0) }
      region.replaceSubrange(region.count - 8..<region.count - 4, with: bytes(depth))
      region.replaceSubrange(region.count - 4..<region.count, with: bytes(time))
      region += [UInt8](repeating: 0, count: 48)
    }
    return region
  }

  private static func square(_ x: Float, _ y: Float) -> [Float] {
    [0, x, y, 1, x + 1, y, 1, x + 1, y + 1, 1, x, y + 1, 4]
  }

  @Test func curvesAreFollowed() throws {
    try withTemporaryFolder { folder in
      try writePNG(folder + "/a.png", width: 8, height: 8)
      // Under a parabola from 0, 8 by 4, -8 to 8, 8: y = 8 - 32 t (1 - t) at x = 8 t, the least 0.
      try write(composed([0, 0, 8, 2, 4, -8, 8, 8, 4]), folder + "/a.roi")
      _ = try imported(folder, "a.roi")
      let mask = try values(folder + "/out/masks/a.png")
      let expected = (0..<64).map { place in
        let (x, y) = (Double(place % 8) + 0.5, Double(place / 8) + 0.5)
        return y > 8 - 32 * (x / 8) * (1 - x / 8) ? 1 : 0
      }
      #expect(mask == expected)
    }
  }

  @Test(
    arguments: [
      [], [0], [0, 1], [1, 2, 2], [0, 1, 1, 2, 3, 3], [7, 1, 1], [0, .nan, 1],
      [0, 1, 1, .infinity, 1, 1],
    ] as [[Float]])
  func brokenLinesAreRefused(_ line: [Float]) throws {
    try withTemporaryFolder { folder in
      try writePNG(folder + "/a.png", width: 4, height: 4)
      var region = composed(line)
      if line.isEmpty { region[39] = 9 }
      try write(region, folder + "/a.roi")
      #expect(refusal(folder, "a.roi")?.path.hasSuffix("a.roi") == true)
    }
  }

  /// Writes a stack of grey images of 4 x 4.
  private func writeStack(_ path: String, pages: Int, description: String? = nil) throws {
    let writer = try TIFFWriter(path: path, byteCount: 16 * pages)
    for page in 0..<pages {
      try writer.beginPage(
        width: 4, height: 4, channels: 1, sampleByteCount: 1, division: .strips,
        description: page == 0 ? description : nil)
      try writer.append(
        Image(
          width: 4, height: 4, channels: 1, bitsPerSample: 8,
          samples: .uint8([UInt8](repeating: UInt8(page), count: 16))))
    }
    try writer.commit()
  }

  /// The places of the pixels that have objects, of each image of a file.
  private func places(_ path: String) throws -> [[Int]] {
    try ImageFile.readAll(path, as: .mask).map { image in
      guard case .uint8(let values) = image.samples else { return [-1] }
      return values.indices.filter { values[$0] != 0 }
    }
  }

  @Test func regionsOfAStackLieOnTheirPages() throws {
    try withTemporaryFolder { folder in
      try FileManager.default.createDirectory(
        atPath: folder + "/set", withIntermediateDirectories: true)
      try writeStack(folder + "/set/s.tif", pages: 3)
      let archive = folder + "/set/s.zip"
      try writeArchive(
        [
          composed(Self.square(0, 0), page: 1), composed(Self.square(1, 0), page: 3),
          composed(Self.square(2, 0), page: 3), composed(Self.square(3, 0)),
          composed(Self.square(0, 1), page: 4),
        ], archive)
      let result = try imported(folder, "set")
      #expect(result.imageCount == 3 && result.objectCount == 6)
      #expect(
        result.notes == [
          "left out (1): objects of pages that the image does not have",
          "objects without a place in their stack, drawn in all its images: 1",
        ])
      #expect(try places(folder + "/out/masks/s.tif") == [[0, 3], [3], [1, 2, 3]])
      #expect(try ImageFile.readAll(folder + "/out/images/s.tif").count == 3)
      #expect(
        try ImageFile.readAll(folder + "/out/instances/s.tif").map { $0.samples }.last
          == .uint16([0, 1, 2, 3] + [UInt16](repeating: 0, count: 12)))
    }
  }

  @Test func regionsOfAHyperstackLieAtTheirDepthAndTime() throws {
    try withTemporaryFolder { folder in
      try FileManager.default.createDirectory(
        atPath: folder + "/set", withIntermediateDirectories: true)
      // Two channels, two slices, two frames: channels are those of one image.
      try writeStack(
        folder + "/set/s.tif", pages: 8,
        description: "ImageJ=1.54\nimages=8\nchannels=2\nslices=2\nframes=2\nhyperstack=true\n")
      try writeArchive(
        [
          composed(Self.square(0, 0), depth: 2, time: 1), composed(Self.square(1, 0), depth: 1),
          composed(Self.square(2, 0), depth: 0, time: 2), composed(Self.square(3, 0), page: 4),
          composed(Self.square(0, 1), depth: 3, time: 1),
        ], folder + "/set/s.zip")
      let result = try imported(folder, "set")
      #expect(result.imageCount == 4)
      #expect(result.notes == ["left out (1): objects of pages that the image does not have"])
      #expect(try places(folder + "/out/masks/s.tif") == [[1], [0, 3], [1, 2], [2]])
    }
  }

  @Test func aChannelIsAPageOfTheImage() throws {
    try withTemporaryFolder { folder in
      try PNGFile.write(
        Image(
          width: 4, height: 1, channels: 3, bitsPerSample: 8,
          samples: .uint8([UInt8](repeating: 1, count: 12))), to: folder + "/a.png")
      try write(composed(Self.square(1, 0), page: 3), folder + "/a.roi")
      #expect(try imported(folder, "a.roi").objectCount == 1)
      try FileManager.default.removeItem(atPath: folder + "/out")
      try write(composed(Self.square(1, 0), page: 4), folder + "/a.roi")
      #expect(try imported(folder, "a.roi").objectCount == 0)
    }
  }

  /// No cut, and no other byte, ends the program: it is an error, or another shape.
  @Test func damageNeverTraps() throws {
    let whole = try archive()
    let region = Array(whole[41..<41 + 220])
    try withTemporaryFolder { folder in
      try writePNG(folder + "/a.png", width: 12, height: 14)
      for count in 0..<region.count where count % 3 == 0 || count < 70 {
        try write(Array(region.prefix(count)), folder + "/a.roi")
        _ = try? AnnotationSource.read(folder + "/a.roi")
      }
      for place in 0..<84 {
        for value in [0x00, 0x7F, 0x80, 0xFF] as [UInt8] {
          var other = region
          other[place] = value
          try write(other, folder + "/a.roi")
          _ = try? imported(folder, "a.roi")
          try? FileManager.default.removeItem(atPath: folder + "/out")
        }
      }
      try FileManager.default.removeItem(atPath: folder + "/a.roi")
      for count in stride(from: 0, to: whole.count, by: 7) {
        try write(Array(whole.prefix(count)), folder + "/a.zip")
        #expect(throws: FileError.self) { try AnnotationSource.read(folder + "/a.zip") }
      }
      var refusals = 0
      for place in whole.indices {
        var other = whole
        other[place] ^= 0xFF
        try write(other, folder + "/a.zip")
        do { _ = try AnnotationSource.read(folder + "/a.zip") } catch { refusals += 1 }
      }
      // Every byte of contents has a checksum; dates and local headers have none.
      #expect(refusals > whole.count / 2)
    }
  }

  @Test func aSizeThatIsClaimedIsNotBelieved() throws {
    try withTemporaryFolder { folder in
      try writePNG(folder + "/a.png", width: 12, height: 14)
      let whole = try archive()
      let directory = try #require(
        whole.indices.first { Array(whole[$0...].prefix(4)) == [0x50, 0x4B, 1, 2] })
      for size in [[0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0x0F], [0, 0, 0, 0]] as [[UInt8]] {
        var other = whole
        other.replaceSubrange(directory + 24..<directory + 28, with: size)
        try write(other, folder + "/a.zip")
        #expect(refusal(folder, "a.zip")?.path.hasSuffix("a.zip") == true)
      }
    }
  }
}
