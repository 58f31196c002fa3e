// Rectangles of TIFF pages, of any way in which pages are stored.

import Files
import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct WindowedImageTests {
  /// The samples of a rectangle of a whole image.
  private func part(_ image: Image, _ rows: Range<Int>, _ columns: Range<Int>) -> [Double] {
    let values = doubles(image)
    return rows.flatMap { y in
      values[
        ((y * image.width + columns.lowerBound) * image.channels)..<((y * image.width
          + columns.upperBound) * image.channels)]
    }
  }

  private func doubles(_ image: Image) -> [Double] {
    switch image.samples {
    case .uint8(let values): values.map(Double.init)
    case .uint16(let values): values.map(Double.init)
    case .uint32(let values): values.map(Double.init)
    case .int8(let values): values.map(Double.init)
    case .int16(let values): values.map(Double.init)
    case .int32(let values): values.map(Double.init)
    case .float32(let values): values.map(Double.init)
    }
  }

  /// Compares rectangles of all places and sizes with the same of the whole image.
  private func expectParts(
    _ path: String, page: Int = 0, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let whole = try ImageFile.read(path, page: page)
    let windowed = try #require(try WindowedImage(path, page: page))
    #expect(
      windowed.width == whole.width && windowed.height == whole.height
        && windowed.channels == whole.channels, "\(path)", sourceLocation: sourceLocation)
    #expect(windowed.hasLostAlpha == whole.hasLostAlpha, sourceLocation: sourceLocation)
    #expect(
      windowed.byteCount == whole.samples.count * whole.samples.sampleByteCount,
      sourceLocation: sourceLocation)
    let (height, width) = (whole.height, whole.width)
    for (rows, columns) in [
      (0..<height, 0..<width), (0..<1, 0..<1), (height - 1..<height, width - 1..<width),
      (height / 3..<height / 3 + 2, width / 4..<width), (0..<height, width / 2..<width / 2 + 1),
    ] {
      let part = try windowed.part(rows: rows, columns: columns)
      #expect(
        part.width == columns.count && part.height == rows.count
          && part.channels == whole.channels && part.bitsPerSample == whole.bitsPerSample,
        sourceLocation: sourceLocation)
      #expect(part.missing == whole.missing, sourceLocation: sourceLocation)
      #expect(
        doubles(part) == self.part(whole, rows, columns), "\(path) \(rows) \(columns)",
        sourceLocation: sourceLocation)
    }
  }

  @Test func everyFixtureByParts() throws {
    let names = try Fixture.names().filter {
      $0.hasSuffix(".tif") && !$0.hasPrefix("unsupported")
    }
    #expect(names.count > 30)
    for name in names {
      let path = Fixture.path(name)
      for page in 0..<(try ImageFile.pageCount(path)) { try expectParts(path, page: page) }
    }
  }

  @Test func onlyTIFFsHaveParts() throws {
    #expect(try WindowedImage(Fixture.path("grey8.png"), page: 0) == nil)
    #expect(throws: FileError.self) { try WindowedImage(Fixture.path("grey8.tif"), page: 1) }
    #expect(throws: FileError.self) {
      try WindowedImage(Fixture.path("unsupported-cmyk.tif"), page: 0)
    }
  }

  @Test(arguments: 1...8)
  func partsAreUpright(orientation: Int) throws {
    let folder = try ScratchFolder()
    let rows = (0..<4).map { y in (0..<7).map { UInt8(10 * y + $0) } }
    let path = try folder.file(
      "a.tif", TIFFBytes.file([TIFFPage(grey: rows, [274: .shorts([orientation])])]))
    try expectParts(path)
    #expect(try WindowedImage(path, page: 0)?.orientation == orientation)
  }

  /// Channels in pages of their own, with a directory each or behind one.
  @Test func pagesThatAreChannels() throws {
    let folder = try ScratchFolder()
    let pages = (0..<4).map { page in
      TIFFPage(
        grey: (0..<3).map { y in (0..<5).map { UInt8(50 * page + 10 * y + $0) } },
        page == 0 ? [270: .text("ImageJ=1.53t\nimages=4\nchannels=2\nslices=2\n")] : [:])
    }
    let path = try folder.file("a.tif", TIFFBytes.file(pages))
    for page in 0..<2 { try expectParts(path, page: page) }
    #expect(try WindowedImage(path, page: 1)?.channels == 2)

    let first = TIFFPage(
      grey: [[0, 1], [2, 3]], [270: .text("ImageJ=1.53t\nimages=4\nchannels=2\nslices=2\n")])
    let behind = try folder.file(
      "b.tif", TIFFBytes.file([first], behind: (4..<16).map { UInt8($0) }))
    for page in 0..<2 { try expectParts(behind, page: page) }
  }

  /// One strip of more rows than are read at once, and strips that rows read at once straddle.
  @Test(arguments: [2200, 700])
  func longStrips(rowsPerStrip: Int) throws {
    let folder = try ScratchFolder()
    let (width, height) = (600, 2200)
    let bytes = (0..<width * height).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 9) }
    let strips = stride(from: 0, to: height, by: rowsPerStrip).map {
      Array(bytes[$0 * width..<min(height, $0 + rowsPerStrip) * width])
    }
    let path = try folder.file(
      "a.tif",
      TIFFBytes.file([
        TIFFPage(
          width, height, strips: strips, [278: .longs([rowsPerStrip]), 284: .shorts([1])])
      ]))
    try expectParts(path)
    let image = try #require(try WindowedImage(path, page: 0))
    let part = try image.part(rows: 1700..<1800, columns: 3..<9)
    let expected = (1700..<1800).flatMap { y in (3..<9).map { Int(bytes[y * width + $0]) } }
    #expect(part.integers == expected)
  }

  @Test func sidesBeyondThoseOfWholeImages() throws {
    let folder = try ScratchFolder()
    let row = (0..<70_000).map { UInt8(truncatingIfNeeded: $0 / 3) }
    let path = try folder.file("a.tif", TIFFBytes.file([TIFFPage(grey: [row, row.reversed()])]))
    let whole = #expect(throws: FileError.self) { try ImageFile.read(path) }
    #expect(whole?.hint?.contains("tiled TIFF") == true)
    let image = try #require(try WindowedImage(path, page: 0))
    #expect(image.width == 70_000)
    let part = try image.part(rows: 0..<2, columns: 69_998..<70_000)
    #expect(part.samples == .uint8([row[69_998], row[69_999], row[1], row[0]]))
  }

  /// A header may claim anything: nothing is taken for it.
  @Test func claimsOfHeaders() throws {
    let folder = try ScratchFolder()
    func error(_ width: Int, _ height: Int, _ tags: [Int: TIFFValue] = [:]) throws -> FileError? {
      let page = TIFFPage(width, height, strips: [[1, 2, 3, 4]], tags)
      let path = try folder.file("a.tif", TIFFBytes.file([page]))
      return #expect(throws: FileError.self) { try WindowedImage(path, page: 0) }
    }
    #expect(try error(1 << 20, 1 << 20)?.found.contains("lies outside the file") == true)
    #expect(try error(1 << 21, 1)?.found.contains("2097152 x 1") == true)
    // Tiles of 16 x 16: 2^32 of them, of which the file names one.
    let tiles: [Int: TIFFValue] = [
      322: .longs([16]), 323: .longs([16]), 324: .longs([8]), 325: .longs([4]),
    ]
    #expect(try error(1 << 20, 1 << 20, tiles) != nil)
    // One compressed strip of a gigabyte, which could only be decoded whole.
    let page = TIFFPage(1 << 20, 1 << 10, strips: [[1, 2, 3, 4]], [259: .shorts([50000])])
    let path = try folder.file("b.tif", TIFFBytes.file([page]))
    let image = try #require(try WindowedImage(path, page: 0))
    #expect(image.largestBlockByteCount == 1 << 30)
    let strip = #expect(throws: FileError.self) { try image.part(rows: 0..<1, columns: 0..<1) }
    #expect(strip?.found.contains("strips of 1073741824 bytes") == true)
  }

  @Test func damageIsFoundWhereItLies() throws {
    let folder = try ScratchFolder()
    let strips = [[UInt8](repeating: 7, count: 8), [0x80], [UInt8](repeating: 9, count: 2)]
    // PackBits: strips of literal bytes would need a count; the second one has no data.
    let path = try folder.file(
      "a.tif",
      TIFFBytes.file([
        TIFFPage(
          2, 3, strips: [[1, 5, 6], strips[1], [1, 8, 9]],
          [259: .shorts([32773]), 278: .longs([1]), 284: .shorts([1])])
      ]))
    let image = try #require(try WindowedImage(path, page: 0))
    #expect(try image.part(rows: 0..<1, columns: 0..<2).samples == .uint8([5, 6]))
    #expect(try image.part(rows: 2..<3, columns: 0..<2).samples == .uint8([8, 9]))
    #expect(throws: FileError.self) { try image.part(rows: 1..<2, columns: 0..<2) }
    #expect(throws: FileError.self) { try image.part(rows: 0..<3, columns: 0..<1) }
  }
}
