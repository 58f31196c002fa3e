// TIFF files that are written by rows, and what they take over from the image they are of.

import Files
import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct TIFFWriterTests {
  private func image(
    _ width: Int, _ height: Int, channels: Int = 1, page: Int = 0, isWide: Bool = false
  ) -> Image {
    let values = (0..<width * height * channels).map { ($0 * 37 + $0 / 91 + page * 11) % 65_536 }
    return Image(
      width: width, height: height, channels: channels, bitsPerSample: isWide ? 16 : 8,
      samples: isWide
        ? .uint16(values.map { UInt16($0) })
        : .uint8(values.map { UInt8(truncatingIfNeeded: $0) }))
  }

  /// Some rows of an image.
  private func rows(_ rows: Range<Int>, of image: Image) -> Image {
    let range =
      rows.lowerBound * image.width * image.channels..<rows.upperBound * image.width
      * image.channels
    let samples: Image.Samples =
      switch image.samples {
      case .uint8(let values): .uint8(Array(values[range]))
      case .uint16(let values): .uint16(Array(values[range]))
      default: image.samples
      }
    return Image(
      width: image.width, height: rows.count, channels: image.channels,
      bitsPerSample: image.bitsPerSample, samples: samples)
  }

  @Test(
    arguments: [TIFFWriter.Division.tiles, .strips],
    [(1, 1, 1, false), (700, 1100, 1, false), (513, 40, 3, false), (30, 520, 1, true)])
  func whatIsWrittenByRowsIsRead(
    _ division: TIFFWriter.Division, _ form: (Int, Int, Int, Bool)
  ) throws {
    let folder = try ScratchFolder()
    let path = folder.path + "/a.tif"
    let pages = (0..<2).map {
      image(form.0, form.1, channels: form.2, page: $0, isWide: form.3)
    }
    for byteCount in [1000, TIFFWriter.classicByteLimit + 1] {
      let writer = try TIFFWriter(path: path, byteCount: byteCount)
      for (number, page) in pages.enumerated() {
        try writer.beginPage(
          width: page.width, height: page.height, channels: page.channels,
          sampleByteCount: page.samples.sampleByteCount, division: division)
        for start in stride(from: 0, to: page.height, by: 300 + number) {
          try writer.append(rows(start..<min(page.height, start + 300 + number), of: page))
        }
      }
      try writer.commit()
      #expect(try ImageFile.readAll(path) == pages)
      let version = try Data(contentsOf: URL(filePath: path))[2]
      #expect(version == (byteCount > 1000 ? 43 : 42))
    }
    #expect(try folder.contents() == ["a.tif"])
  }

  @Test func nothingIsLeftOfAFileThatIsNotFinished() throws {
    let folder = try ScratchFolder()
    do {
      let writer = try TIFFWriter(path: folder.path + "/a.tif", byteCount: 10)
      try writer.beginPage(
        width: 10, height: 10, channels: 1, sampleByteCount: 1, division: .tiles)
      try writer.append(image(10, 3))
    }
    #expect(try folder.contents() == [])
    #expect(throws: FileError.self) {
      try TIFFWriter(path: folder.path + "/none/a.tif", byteCount: 10)
    }
  }

  @Test func thePlaceIsTakenOver() throws {
    let folder = try ScratchFolder()
    // Keys of GeoTIFF: the version, one key that says pixels are areas.
    let keys = [1, 1, 0, 1, 1025, 0, 1, 1]
    let page = TIFFPage(
      grey: [[1, 2, 3]], [34735: .shorts(keys), 34737: .text("WGS 84|"), 42113: .text("0")])
    let source = try folder.file("a.tif", TIFFBytes.file([page]))
    let origin = try TIFFOrigin(source, page: 0)
    #expect(origin.tagNumbers == [34735, 34737])
    let result = folder.path + "/b.tif"
    try TIFFFile.write(image(3, 1), to: result, origin: origin)
    #expect(try TIFFOrigin(result, page: 0) == origin)
    // The value without data is one of intensities, and none of labels.
    #expect(try ImageFile.read(result).missing.value == nil)

    let turned = try folder.file(
      "c.tif",
      TIFFBytes.file([TIFFPage(grey: [[1, 2]], [34735: .shorts(keys), 274: .shorts([6])])]))
    #expect(try TIFFOrigin(turned, page: 0).tagNumbers == [])
    #expect(try TIFFOrigin(Fixture.path("grey8.png"), page: 0) == TIFFOrigin())
  }

  @Test func sizesOfPixels() throws {
    let folder = try ScratchFolder()
    let ome = """
      <?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">\
      <Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="3" \
      SizeY="1" SizeZ="1" SizeC="1" SizeT="1" PhysicalSizeX="0.25" PhysicalSizeY="500" \
      PhysicalSizeYUnit="nm"><TiffData/></Pixels></Image></OME>
      """
    let path = try folder.file(
      "a.tif", TIFFBytes.file([TIFFPage(grey: [[1, 2, 3]], [270: .text(ome)])]))
    let origin = try TIFFOrigin(path, page: 0)
    #expect(origin.resolution.x == 40_000 && origin.resolution.y == 20_000)
    #expect(origin.resolutionUnit == 3)

    let text = "ImageJ=1.53t\nunit=micron\nspacing=0.5\nmin=0\n"
    let imageJ = try folder.file(
      "b.tif", TIFFBytes.file([TIFFPage(grey: [[1, 2, 3]], [270: .text(text)])]))
    let result = folder.path + "/c.tif"
    try TIFFFile.write(image(3, 1), to: result, origin: try TIFFOrigin(imageJ, page: 0))
    #expect(try TIFFOrigin(result, page: 0) == TIFFOrigin(imageJ, page: 0))
    let bytes = try Data(contentsOf: URL(filePath: result))
    #expect(bytes.range(of: Data("images=1\nunit=micron\nspacing=0.5\n".utf8)) != nil)
  }

  @Test func slicesOfAStack() {
    #expect(TIFFFile.imageJDescription(depths: 1, times: 1, origin: TIFFOrigin()) == nil)
    #expect(
      TIFFFile.imageJDescription(depths: 3, times: 1, origin: TIFFOrigin())
        == "ImageJ=1.11a\nimages=3\nslices=3\nloop=false\n")
    #expect(
      TIFFFile.imageJDescription(depths: 3, times: 2, origin: TIFFOrigin())
        == "ImageJ=1.11a\nimages=6\nslices=3\nframes=2\nhyperstack=true\nloop=false\n")
  }

  /// What a stack says of depth and time is found again in what is written of it.
  @Test func depthsAndTimes() throws {
    let folder = try ScratchFolder()
    func places(_ text: String, pages: Int) throws -> (origin: TIFFOrigin, StackPlaces) {
      var all = [TIFFPage](repeating: TIFFPage(grey: [[1, 2]]), count: pages)
      all[0] = TIFFPage(grey: [[1, 2]], [270: .text(text)])
      let path = try folder.file("a.tif", TIFFBytes.file(all))
      return (try TIFFOrigin(path, page: 0), try ImageFile.places(in: path))
    }
    func isSix(_ places: StackPlaces) -> Bool {
      places.depthsAndTimes.map { $0 == (3, 2) } ?? false
    }
    let imageJ = "ImageJ=1.53t\nimages=6\nslices=3\nframes=2\nunit=um\nspacing=2.5\nfinterval=3.0\n"
    let (first, firstPlaces) = try places(imageJ, pages: 6)
    #expect(isSix(firstPlaces) && first.isKnown)
    let text = try #require(TIFFFile.imageJDescription(depths: 3, times: 2, origin: first))
    #expect(text.hasSuffix("unit=um\nspacing=2.5\nfinterval=3.0\n"))
    let (again, againPlaces) = try places(text, pages: 6)
    #expect(isSix(againPlaces) && again == first)

    let (_, shaped) = try places(#"{"shape": [2, 3, 1, 2], "axes": "TZYX"}"#, pages: 6)
    #expect(isSix(shaped))
    func ome(_ order: String, _ more: String) -> String {
      """
      <?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">\
      <Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="\(order)" Type="uint8" SizeX="2" \
      SizeY="1" SizeZ="3" SizeC="1" SizeT="2" PhysicalSizeX="0.25" PhysicalSizeY="0.5" \(more)>\
      <TiffData/></Pixels></Image></OME>
      """
    }
    let (second, secondPlaces) = try places(
      ome(
        "XYZCT",
        #"PhysicalSizeZ="2000" PhysicalSizeZUnit="nm" TimeIncrement="0.5" "#
          + #"TimeIncrementUnit="min""#), pages: 6)
    #expect(isSix(secondPlaces) && second.resolution.x == 4 && second.resolution.y == 2)
    #expect(second.resolutionUnit == 1)
    let own = try #require(TIFFFile.imageJDescription(depths: 3, times: 2, origin: second))
    #expect(own.hasSuffix("unit=micron\nspacing=2.0\nfinterval=30.0\n"))
    // Times first: no order that ImageJ knows.
    #expect(try places(ome("XYTZC", ""), pages: 6).1.depthsAndTimes == nil)
    // A resolution alone says nothing that would be missed.
    #expect(try !places("other text", pages: 6).origin.isKnown)
  }
}
