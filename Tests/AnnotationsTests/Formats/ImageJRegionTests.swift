// ImageJ's regions and archives of them, whole and damaged.

import Annotations
import Files
import Foundation
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
      try writePNG(folder + "/cells.png", width: 42, height: 24)
      try write(archive(), folder + "/RoiSet_cells.zip")
      let result = try imported(folder, "RoiSet_cells.zip")
      #expect(result.imageCount == 1 && result.objectCount == 6)
      #expect(
        result.notes == [
          "left out (1): regions that are no polygon, freehand, traced, rectangle or oval"
        ])
      let numbers = try values(folder + "/out/instances/cells.png")
      // Three outlines of 60 pixels, one of parts of pixels, a rectangle of 8 x 6 and an oval in such a one.
      #expect((1...6).map { number in numbers.count { $0 == number } } == [60, 60, 60, 22, 48, 36])
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
