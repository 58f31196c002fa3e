// Palettes of PNG files, JPEG files with stray bytes, and sizes that a file is too short for.

import Files
import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct PNGPaletteTests {
  private func png(_ palette: [UInt8], _ entries: [UInt8]) throws -> (ScratchFolder, String) {
    let folder = try ScratchFolder()
    let bytes = PNGBytes.file(
      width: UInt32(entries.count), height: 1, bits: 8, color: 3, rows: [entries],
      extra: PNGBytes.chunk("PLTE", palette))
    return (folder, try folder.file("a.png", bytes))
  }

  @Test func entriesAreTheValuesOfMasks() throws {
    let (folder, path) = try png([0, 0, 0, 255, 0, 0, 255, 0, 0], [0, 1, 2])
    #expect(try ImageFile.read(path, as: .mask).samples == .uint8([0, 1, 2]))
    #expect(try ImageFile.read(path).samples == .uint8([0, 0, 0, 255, 0, 0, 255, 0, 0]))
    withExtendedLifetime(folder) {}
  }

  @Test func aGreyPaletteIsGrey() throws {
    let (folder, path) = try png([9, 9, 9, 0, 0, 0], [0, 1])
    let image = try ImageFile.read(path)
    #expect(image.channels == 1 && image.samples == .uint8([9, 0]))
    withExtendedLifetime(folder) {}
  }

  @Test func entriesBeyondThePaletteAreDamage() throws {
    let (folder, path) = try png([9, 9, 9, 0, 0, 0], [0, 2])
    for purpose in [ImageFile.Purpose.image, .mask] {
      let error = #expect(throws: FileError.self) { try ImageFile.read(path, as: purpose) }
      #expect(error?.found.contains("entry 2 of a palette of 2") == true)
    }
    withExtendedLifetime(folder) {}
  }
}

@Suite struct StrayByteTests {
  /// The bytes of a file with others before its end marker.
  private func withStrayBytes(_ name: String, _ bytes: [UInt8]) throws -> (ScratchFolder, String) {
    var file = try FileBytes.read(Fixture.path(name))
    #expect(file.suffix(2) == [0xFF, 0xD9])
    file.insert(contentsOf: bytes, at: file.count - 2)
    let folder = try ScratchFolder()
    return (folder, try folder.file("a.jpg", file))
  }

  @Test(arguments: ["smooth-grey.jpg", "smooth-rgb.jpg", "smooth-rgb-progressive.jpg"])
  func bytesBehindTheLastScanTouchNoPixel(name: String) throws {
    let (folder, path) = try withStrayBytes(name, [0, 0, 0, 0, 0, 0, 0])
    #expect(try ImageFile.read(path) == ImageFile.read(Fixture.path(name)))
    withExtendedLifetime(folder) {}
  }

  /// Where the bytes of a file have a marker.
  private func places(of marker: UInt8, in file: [UInt8]) -> [Int] {
    file.indices.dropLast().filter { file[$0] == 0xFF && file[$0 + 1] == marker }
  }

  @Test(arguments: ["smooth-grey.jpg", "smooth-rgb.jpg", "smooth-rgb-progressive.jpg"])
  func aFewBytesBeforeAnyMarkerTouchNoPixel(name: String) throws {
    let file = try FileBytes.read(Fixture.path(name))
    let whole = try ImageFile.read(Fixture.path(name))
    // Of tables and frames, and of scans: a progressive file has several.
    let places = [0xC4, 0xDA].flatMap { self.places(of: $0, in: file) }
    #expect(places.count >= 2)
    let folder = try ScratchFolder()
    for place in places {
      var changed = file
      changed.insert(contentsOf: [1, 2, 0], at: place)
      #expect(try ImageFile.read(try folder.file("a.jpg", changed)) == whole, "\(place)")
      changed.insert(contentsOf: [UInt8](repeating: 7, count: 100), at: place)
      #expect(DamageTests.failure(try folder.file("a.jpg", changed)) != nil, "\(place)")
    }
  }

  @Test(arguments: ["smooth-grey.jpg", "smooth-rgb.jpg", "smooth-rgb-progressive.jpg"])
  func theEndMarkerAloneMayBeMissing(name: String) throws {
    let file = try FileBytes.read(Fixture.path(name))
    let folder = try ScratchFolder()
    for lost in 1...2 {
      let path = try folder.file("a.jpg", Array(file.dropLast(lost)))
      #expect(try ImageFile.read(path) == ImageFile.read(Fixture.path(name)))
    }
    // A progressive file without some of its scans has all rows, of a lower quality.
    for place in places(of: 0xDA, in: file) {
      #expect(
        DamageTests.failure(try folder.file("a.jpg", Array(file[..<place]))) != nil, "\(place)")
    }
  }

  @Test func aScanThatIsCutIsDamage() throws {
    let file = try FileBytes.read(Fixture.path("smooth-rgb.jpg"))
    let folder = try ScratchFolder()
    for lost in 3..<40 {
      let path = try folder.file("a.jpg", file.dropLast(2 + lost) + [0xFF, 0xD9])
      #expect(DamageTests.failure(path) != nil, "\(lost) bytes lost")
    }
  }
}

@Suite struct ImpossibleSizeTests {
  /// A PNG of few bytes cannot hold the pixels that it claims, interlaced or not.
  @Test(arguments: [UInt8(0), 1]) func pngs(interlacing: UInt8) throws {
    var header = PNGBytes.bigEndian(30000) + PNGBytes.bigEndian(10000)
    header += [8, 2, 0, 0, interlacing]
    var bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    bytes += PNGBytes.chunk("IHDR", header)
    bytes += PNGBytes.chunk("IDAT", [UInt8](repeating: 0, count: 65000))
    bytes += PNGBytes.chunk("IEND", [])
    let folder = try ScratchFolder()
    let error = try #require(DamageTests.failure(try folder.file("a.png", bytes)))
    #expect(error.found.contains("too short"), "\(error)")
  }

  @Test func tiffs() throws {
    let page = TIFFPage(
      30000, 30000, strips: [[UInt8](repeating: 0, count: 1000)], [259: .shorts([8])])
    let folder = try ScratchFolder()
    let error = try #require(
      DamageTests.failure(try folder.file("a.tif", TIFFBytes.file([page]))))
    #expect(error.found.contains("too short"), "\(error)")
  }
}
