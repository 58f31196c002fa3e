// Orientations that files name: all eight, in each format that has them.

import Files
import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct OrientationTests {
  /// The upright picture is [1, 2, 3] above [4, 5, 6]; these are its stored rows by orientation, from the
  /// sides at which Exif says that their first row and first column lie.
  static let stored: [[[UInt8]]] = [
    [[1, 2, 3], [4, 5, 6]], [[3, 2, 1], [6, 5, 4]], [[6, 5, 4], [3, 2, 1]],
    [[4, 5, 6], [1, 2, 3]], [[1, 4], [2, 5], [3, 6]], [[3, 6], [2, 5], [1, 4]],
    [[6, 3], [5, 2], [4, 1]], [[4, 1], [5, 2], [6, 3]],
  ]

  /// Exif data that name an orientation.
  static func exif(_ orientation: Int, isBigEndian: Bool) -> [UInt8] {
    let number = UInt8(orientation)
    return isBigEndian
      ? [
        0x4D, 0x4D, 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, number, 0, 0, 0, 0, 0, 0,
      ]
      : [
        0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0,
      ]
  }

  private func isUpright(_ image: Image) -> Bool {
    image.width == 3 && image.height == 2 && image.samples == .uint8([1, 2, 3, 4, 5, 6])
  }

  @Test(arguments: 1...8) func tiffs(orientation: Int) throws {
    let folder = try ScratchFolder()
    let page = TIFFPage(
      grey: Self.stored[orientation - 1], [274: .shorts([orientation])])
    let path = try folder.file("a.tif", TIFFBytes.file([page]))
    #expect(isUpright(try ImageFile.read(path)))
    #expect(try ImageFile.isTurned(path) == (orientation >= 5))
    #expect(isUpright(try ImageFile.read(path, as: .mask)))
  }

  @Test func channelsStayTogether() throws {
    let folder = try ScratchFolder()
    let page = TIFFPage(
      1, 2, channels: 3, photometric: 2, strips: [[1, 2, 3, 4, 5, 6]], [274: .shorts([6])])
    let image = try ImageFile.read(try folder.file("a.tif", TIFFBytes.file([page])))
    #expect(image.width == 2 && image.samples == .uint8([4, 5, 6, 1, 2, 3]))
  }

  @Test(arguments: 1...8) func pngs(orientation: Int) throws {
    let rows = Self.stored[orientation - 1]
    let exif = PNGBytes.chunk(
      "eXIf", Self.exif(orientation, isBigEndian: orientation % 2 == 0))
    let bytes = PNGBytes.file(
      width: UInt32(rows[0].count), height: UInt32(rows.count), bits: 8, color: 0, rows: rows,
      extra: exif)
    let folder = try ScratchFolder()
    let path = try folder.file("a.png", bytes)
    #expect(isUpright(try ImageFile.read(path)))
    #expect(try ImageFile.isTurned(path) == (orientation >= 5))
  }

  @Test(arguments: 1...8) func jpegs(orientation: Int) throws {
    var bytes = try FileBytes.read(Fixture.path("smooth-grey.jpg"))
    let plain = try ImageFile.read(Fixture.path("smooth-grey.jpg"))
    let segment =
      Array("Exif".utf8) + [0, 0] + Self.exif(orientation, isBigEndian: orientation % 2 == 1)
    bytes.insert(contentsOf: [0xFF, 0xE1, 0, UInt8(segment.count + 2)] + segment, at: 2)
    let folder = try ScratchFolder()
    let path = try folder.file("a.jpg", bytes)
    let image = try ImageFile.read(path)
    #expect(try ImageFile.isTurned(path) == (orientation >= 5))
    let (values, old) = (try #require(image.integers), try #require(plain.integers))
    #expect(image.width == (orientation < 5 ? 16 : 8))
    // The picture grows brighter to the right and downwards by 8 and 4: where its first sample went.
    let corners = [
      (0, 0), (15, 0), (15, 7), (0, 7), (0, 0), (7, 0), (7, 15), (0, 15),
    ]
    let (x, y) = corners[orientation - 1]
    #expect(values[y * image.width + x] == old[0])
  }

  @Test func whatIsNoOrientationIsUpright() throws {
    let folder = try ScratchFolder()
    for number in [0, 9, 4000] {
      let page = TIFFPage(grey: Self.stored[0], [274: .shorts([number])])
      #expect(isUpright(try ImageFile.read(try folder.file("a.tif", TIFFBytes.file([page])))))
    }
    for exif in [
      [], [0x4D], Array(Self.exif(3, isBigEndian: true).prefix(15)),
      [0x49, 0x49, 42, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0],
    ] as [[UInt8]] {
      let bytes = PNGBytes.file(
        width: 3, height: 2, bits: 8, color: 0, rows: Self.stored[0],
        extra: PNGBytes.chunk("eXIf", exif))
      #expect(isUpright(try ImageFile.read(try folder.file("a.png", bytes))))
    }
  }
}
