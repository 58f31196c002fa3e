// Which images a TIFF of many pages holds.

import Files
import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct TIFFStackTests {
  /// The 2 x 1 page whose samples are `value` and `value` + 100.
  private func page(_ value: UInt8, _ tags: [Int: TIFFValue] = [:]) -> TIFFPage {
    TIFFPage(grey: [[value, value + 100]], tags)
  }

  private func readAll(_ bytes: [UInt8]) throws -> [Image] {
    let folder = try ScratchFolder()
    let path = try folder.file("a.ome.tif", bytes)
    let images = try ImageFile.readAll(path)
    #expect(try ImageFile.pageCount(path) == images.count)
    for (number, image) in images.enumerated() {
      #expect(try ImageFile.read(path, page: number) == image)
    }
    return images
  }

  /// The first sample of each channel of each image.
  private func firsts(_ images: [Image]) -> [[Int]] {
    images.map { image in Array((image.integers ?? []).prefix(image.channels)) }
  }

  @Test func overviewsAndTransparencyMasksAreNoImages() throws {
    let images = try readAll(
      TIFFBytes.file([
        page(1), page(2, [254: .longs([1])]), page(3), page(4, [254: .longs([4])]),
        page(5, [255: .shorts([2])]), page(6, [254: .longs([2])]), page(7, [254: .longs([5])]),
      ]))
    #expect(firsts(images) == [[1], [3], [6]])
  }

  @Test func aPyramidWithoutMarksIsOneImage() throws {
    let folder = try ScratchFolder()
    func contents(
      _ sizes: [(Int, Int)], _ division: TIFFWriter.Division
    ) throws -> ImageFile.Contents {
      let path = folder.path + "/a.tif"
      let writer = try TIFFWriter(path: path, byteCount: 1_000_000)
      for (width, height) in sizes {
        try writer.beginPage(
          width: width, height: height, channels: 1, sampleByteCount: 1, division: division)
        try writer.append(
          Image(
            width: width, height: height, channels: 1, bitsPerSample: 8,
            samples: .uint8([UInt8](repeating: 7, count: width * height))))
      }
      try writer.commit()
      return try ImageFile.contents(of: path)
    }
    // Sides are halved and rounded.
    let pyramid = try contents([(1_101, 55), (551, 28), (275, 13)], .tiles)
    #expect(pyramid.imageCount == 1 && pyramid.passedOverCount == 2)
    // Pages of another shape, of the same size, in strips, and of many sizes are images, and so are small ones.
    #expect(try contents([(1_100, 50), (550, 40)], .tiles).imageCount == 2)
    #expect(try contents([(1_100, 50), (1_100, 50)], .tiles).imageCount == 2)
    #expect(try contents([(1_100, 50), (550, 25)], .strips).imageCount == 2)
    #expect(try contents([(1_100, 50), (800, 36), (550, 25)], .tiles).imageCount == 3)
    #expect(try contents([(64, 64), (32, 32)], .tiles).imageCount == 2)
  }

  @Test func aFileOfOverviewsAloneIsReadAsItIs() throws {
    #expect(firsts(try readAll(TIFFBytes.file([page(1, [254: .longs([1])])]))) == [[1]])
  }

  @Test func pagesBehindOneDirectory() throws {
    let behind: [UInt8] = [2, 102, 3, 103]
    for text in [
      "ImageJ=1.53t\nimages=3\nslices=3\n", #"{"shape": [3, 1, 2]}"#,
      #"{"shape": [3, 1, 2], "truncated": true}"#,
    ] {
      let images = try readAll(TIFFBytes.file([page(1, [270: .text(text)])], behind: behind))
      #expect(firsts(images) == [[1], [2], [3]])
      #expect(images[2].integers == [3, 103])
      // Where the file ends before, pages are missing.
      let more = text.replacingOccurrences(of: "=3", with: "=999")
        .replacingOccurrences(of: "[3,", with: "[999,")
      let folder = try ScratchFolder()
      let cut = try folder.file("b.tif", TIFFBytes.file([page(1, [270: .text(more)])]))
      let error = #expect(throws: FileError.self) { try ImageFile.pageCount(cut) }
      #expect(error?.found.contains("999 pages by its tags") == true)
    }
  }

  @Test func planesOfMetaMorphFollowOneDirectory() throws {
    // UIC2 has an entry a plane.
    let first = page(1, [33629: .rationals([7, 8, 9])])
    let images = try readAll(TIFFBytes.file([first], behind: [2, 102, 3, 103]))
    #expect(firsts(images) == [[1], [2], [3]] && images[2].integers == [3, 103])
    #expect(try readAll(TIFFBytes.file([page(1, [33629: .rationals([7])])])).count == 1)
    let folder = try ScratchFolder()
    let wide = TIFFPage(
      grey: [[UInt8](repeating: 1, count: 99)],
      [33629: .rationals([Int](repeating: 7, count: 50))])
    let cut = try folder.file("b.stk", TIFFBytes.file([wide], behind: [2]))
    let error = #expect(throws: FileError.self) { try ImageFile.pageCount(cut) }
    #expect(error?.found.contains("50 pages by its tags, and room for ") == true)
    let packed = try folder.file(
      "c.stk", TIFFBytes.file([page(1, [33629: .rationals([7, 8]), 259: .shorts([32773])])]))
    let unread = #expect(throws: FileError.self) { try ImageFile.pageCount(packed) }
    #expect(unread?.found == "2 planes of MetaMorph that are compressed, cut or not in one piece")
    // In a file with a directory for each page they are those.
    #expect(firsts(try readAll(TIFFBytes.file([first, page(5)]))) == [[1], [5]])
  }

  @Test func slidesOfAperioAreTheirFirstPages() throws {
    let text = "Aperio Image Library v11.2.1 \r\n2x1 [0,0 2x1] (256x256) JPEG/RGB Q=70"
    let folder = try ScratchFolder()
    let path = try folder.file(
      "a.svs",
      TIFFBytes.file([
        page(1, [270: .text(text)]), TIFFPage(grey: [[2]]), TIFFPage(grey: [[3], [3]]),
        page(4, [254: .longs([1])]), page(5, [254: .longs([9])]),
      ]))
    let contents = try ImageFile.contents(of: path)
    #expect(contents.imageCount == 1 && contents.passedOverCount == 4)
    #expect(firsts(try ImageFile.readAll(path)) == [[1]])
    // What is as large as the slide is no copy of it.
    let other = TIFFPage(grey: [[4]])
    let pages = [page(1, [270: .text(text)]), page(2), other]
    #expect(firsts(try readAll(TIFFBytes.file(pages))) == [[1], [2]])
    // A label that was taken out of its file is still called one.
    let label = page(6, [270: .text(text), 254: .longs([1]), 33629: .rationals([1, 2])])
    #expect(firsts(try readAll(TIFFBytes.file([label], behind: [7, 107]))) == [[6], [7]])
    #expect(
      firsts(try readAll(TIFFBytes.file([label, page(8, [254: .longs([1])])]))) == [[6], [8]])
  }

  @Test func filesOfZeissBeyondTheirPlacesAreRefused() throws {
    let folder = try ScratchFolder()
    let bytes = TIFFBytes.file([page(1, [34412: .longs([1, 2, 3])]), page(2)])
    let path = try folder.file("a.lsm", bytes)
    #expect(try ImageFile.pageCount(path) == 2)
    #expect(truncate(path, 1 << 32) == 0)
    let error = #expect(throws: FileError.self) { try ImageFile.pageCount(path) }
    #expect(error?.found == "an LSM file beyond 4 GiB")
  }

  @Test func bytesOfPagesBehindOneDirectoryAreTurned() throws {
    var bytes = TIFFBytes.file(
      [TIFFPage(1, 1, bits: 16, strips: [[1, 2]], [270: .text("ImageJ=1\nimages=2\n")])],
      behind: [3, 4])
    #expect(firsts(try readAll(bytes)) == [[0x201], [0x403]])
    bytes[8] = 7
    #expect(firsts(try readAll(bytes)) == [[0x207], [0x403]])
  }

  @Test func channelsOfImageJAreOfOneImage() throws {
    let text = "ImageJ=1.53t\nimages=12\nchannels=2\nslices=3\nframes=2\nhyperstack=true\n"
    let pages = (0..<12).map { page(UInt8($0), $0 == 0 ? [270: .text(text)] : [:]) }
    let images = try readAll(TIFFBytes.file(pages))
    #expect(firsts(images) == (0..<6).map { [2 * $0, 2 * $0 + 1] })
    #expect(images[5].integers == [10, 11, 110, 111])
    let behind = (1..<12).flatMap { [UInt8($0), UInt8($0) + 100] }
    #expect(try readAll(TIFFBytes.file([pages[0]], behind: behind)) == images)
    // One page fewer is no stack of two channels.
    let folder = try ScratchFolder()
    let path = try folder.file("short.tif", TIFFBytes.file(Array(pages.dropLast())))
    let error = #expect(throws: FileError.self) { try ImageFile.pageCount(path) }
    #expect(error?.expected.contains("2 channels, 3 slices and 2 frames") == true)
    #expect(error?.found == "11 pages")
  }

  @Test func axesOfTifffileAreFollowed() throws {
    let text = #"{"axes": "CZYX", "shape": [2, 3, 1, 2]}"#
    let pages = (0..<6).map { page(UInt8($0), $0 == 0 ? [270: .text(text)] : [:]) }
    #expect(firsts(try readAll(TIFFBytes.file(pages))) == [[0, 3], [1, 4], [2, 5]])
  }

  private func ome(
    _ order: String, _ sizes: (z: Int, c: Int, t: Int), _ data: String = "<TiffData/>"
  ) -> String {
    """
    <?xml version="1.0" encoding="UTF-8"?>
    <OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">
    <Pixels ID="Pixels:0" DimensionOrder="\(order)" SizeX="2" SizeY="1" SizeZ="\(sizes.z)"
    SizeC="\(sizes.c)" SizeT="\(sizes.t)" Type="uint8">\(data)</Pixels></Image></OME>
    """
  }

  @Test func channelsOfOMEAreOfOneImage() throws {
    func images(_ text: String, _ count: Int) throws -> [[Int]] {
      firsts(
        try readAll(
          TIFFBytes.file(
            (0..<count).map { page(UInt8($0), $0 == 0 ? [270: .text(text)] : [:]) })))
    }
    #expect(try images(ome("XYCZT", (3, 2, 1)), 6) == [[0, 1], [2, 3], [4, 5]])
    #expect(try images(ome("XYZCT", (3, 2, 1)), 6) == [[0, 3], [1, 4], [2, 5]])
    #expect(try images(ome("XYZTC", (1, 2, 2)), 4) == [[0, 2], [1, 3]])
    // Without channels every page is an image, whatever is said of them.
    #expect(try images(ome("XYZTC", (9, 1, 1)), 2) == [[0], [1]])
    let turned =
      #"<TiffData FirstC="1" IFD="0" PlaneCount="1"/><TiffData FirstC="0" IFD="1"/>"#
    #expect(try images(ome("XYCZT", (1, 2, 1), turned), 2) == [[1, 0]])
    let error = #expect(throws: FileError.self) { try images(ome("XYCZT", (1, 3, 1)), 2) }
    #expect(error?.expected.contains("all channels of an image in this file") == true)
  }

  @Test func samplesOfAPageAreChannelsOfOME() throws {
    let text = ome("XYCZT", (2, 3, 1))
    let pages = (0..<2).map { number in
      TIFFPage(
        2, 1, channels: 3, photometric: 2,
        strips: [(0..<6).map { UInt8(10 * number + $0) }], number == 0 ? [270: .text(text)] : [:])
    }
    #expect(firsts(try readAll(TIFFBytes.file(pages))) == [[0, 1, 2], [10, 11, 12]])
  }

  @Test func textThatSaysNothing() throws {
    for text in ["images=3", "{", #"{"shape": []}"#, #"{"shape": [0, 1]}"#, "<OME", "ImageJ="] {
      let bytes = TIFFBytes.file([page(1, [270: .text(text)]), page(2)])
      #expect(firsts(try readAll(bytes)) == [[1], [2]], "\(text)")
    }
    let folder = try ScratchFolder()
    let broken = try folder.file(
      "a.tif", TIFFBytes.file([page(1, [270: .text("<OME><Pixels")])]))
    #expect(throws: FileError.self) { try ImageFile.read(broken) }
  }

  /// A walk along the chain for every page would take minutes.
  @Test(.timeLimit(.minutes(1))) func longStacks() throws {
    let folder = try ScratchFolder()
    let path = try folder.file(
      "long.tif", TIFFBytes.file((0..<8000).map { page(UInt8($0 % 100)) }))
    #expect(try ImageFile.pageCount(path) == 8000)
    for number in 0..<8000 {
      guard try ImageFile.read(path, page: number).integers?[0] == number % 100 else {
        Issue.record("page \(number)")
        return
      }
    }
  }
}
