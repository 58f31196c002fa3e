// Every variant of every format against the values its pixels were made from.

import Files
import Imaging
import Testing

/// A fixture of integer samples and what it holds.
struct IntegerCase: Sendable, CustomTestStringConvertible {
  let name: String
  let bits: Int
  let channels: Int
  let expected: [Int]

  var testDescription: String { name }

  init(_ name: String, bits: Int, channels: Int, expected: [Int]) {
    self.name = name
    self.bits = bits
    self.channels = channels
    self.expected = expected
  }

  init(_ name: String, bits: Int, channels: Int) {
    self.init(
      name, bits: bits, channels: channels,
      expected: Fixture.integers(bits: bits, channels: channels))
  }
}

@Suite struct DecodingTests {
  static let pngs: [IntegerCase] =
    [1, 2, 4, 8, 16].flatMap { bits in
      [
        IntegerCase("grey\(bits).png", bits: bits, channels: 1),
        IntegerCase("grey\(bits)-interlaced.png", bits: bits, channels: 1),
      ]
    }
    + [8, 16].flatMap { bits in
      [
        IntegerCase("rgb\(bits).png", bits: bits, channels: 3),
        IntegerCase("rgb\(bits)-interlaced.png", bits: bits, channels: 3),
        IntegerCase("grey\(bits)-alpha.png", bits: bits, channels: 1),
        IntegerCase("rgb\(bits)-alpha.png", bits: bits, channels: 3),
      ]
    }
    + [1, 2, 4, 8].map { bits in palette("palette\(bits).png", bits: bits) }
    + [
      IntegerCase("grey8-transparent.png", bits: 8, channels: 1),
      IntegerCase("rgb8-transparent.png", bits: 8, channels: 3),
      palette("palette8-transparent.png", bits: 8),
      IntegerCase("grey8-ancillary.png", bits: 8, channels: 1),
    ]

  static let tiffs: [IntegerCase] =
    [8, 16].flatMap { bits in
      [
        IntegerCase("grey\(bits).tif", bits: bits, channels: 1),
        IntegerCase("rgb\(bits).tif", bits: bits, channels: 3),
        inverted("grey\(bits)-inverted.tif", bits: bits),
        IntegerCase("rgb\(bits)-big-endian-tiles.tif", bits: bits, channels: 3),
        IntegerCase("rgb\(bits)-planes.tif", bits: bits, channels: 3),
        IntegerCase("rgb\(bits)-planes-tiles.tif", bits: bits, channels: 3),
      ]
    }
    + ["lzw", "deflate", "packbits", "zstd", "lzma"].map { scheme in
      IntegerCase("grey16-\(scheme).tif", bits: 16, channels: 1)
    }
    + [1, 2, 4, 8].map { bits in palette("palette\(bits).tif", bits: bits) }
    + [
      IntegerCase("rgb8-lzw-predictor.tif", bits: 8, channels: 3),
      IntegerCase("rgb8-alpha.tif", bits: 8, channels: 3),
      IntegerCase("rgb8-alpha-planes.tif", bits: 8, channels: 3),
      IntegerCase("grey8-alpha.tif", bits: 8, channels: 1),
      IntegerCase("bigtiff.tif", bits: 16, channels: 1),
      IntegerCase("bigtiff-big-endian.tif", bits: 16, channels: 1),
      IntegerCase("rgb8-webp.tif", bits: 8, channels: 3),
      IntegerCase("bilevel-group3.tif", bits: 1, channels: 1),
      IntegerCase("bilevel-group4.tif", bits: 1, channels: 1),
      IntegerCase("bilevel.tif", bits: 1, channels: 1),
      inverted("bilevel-inverted.tif", bits: 1),
      IntegerCase("grey2.tif", bits: 2, channels: 1),
      IntegerCase("grey4.tif", bits: 4, channels: 1),
      palette("palette8-narrow.tif", bits: 8),
    ]

  static let jpeg2000s: [IntegerCase] = [
    IntegerCase("grey8.jp2", bits: 8, channels: 1), IntegerCase("rgb8.jp2", bits: 8, channels: 3),
    IntegerCase("grey16.jp2", bits: 16, channels: 1),
    IntegerCase("grey8.j2k", bits: 8, channels: 1),
  ]

  private static func palette(_ name: String, bits: Int) -> IntegerCase {
    IntegerCase(name, bits: 8, channels: 3, expected: Fixture.palette(bits: bits))
  }

  private static func inverted(_ name: String, bits: Int) -> IntegerCase {
    IntegerCase(
      name, bits: bits, channels: 1,
      expected: Fixture.integers(bits: bits).map { (1 << bits) - 1 - $0 })
  }

  @Test(arguments: pngs + tiffs + jpeg2000s)
  func integerSamples(fixture: IntegerCase) throws {
    let image = try ImageFile.read(Fixture.path(fixture.name))
    #expect(image.width == Fixture.width)
    #expect(image.height == Fixture.height)
    #expect(image.channels == fixture.channels)
    #expect(image.bitsPerSample == fixture.bits)
    #expect(image.integers == fixture.expected)
    if case .uint16 = image.samples { #expect(fixture.bits == 16) }
    #expect(try ImageFile.pageCount(Fixture.path(fixture.name)) == 1)
    #expect(try ImageFile.readAll(Fixture.path(fixture.name)) == [image])
  }

  @Test(arguments: [
    ("float32.tif", 1), ("float32-big-endian.tif", 1), ("float32-rgb-tiles.tif", 3),
    ("float64.tif", 1), ("float32-lerc.tif", 1),
  ])
  func floatingPointSamples(name: String, channels: Int) throws {
    let image = try ImageFile.read(Fixture.path(name))
    #expect(
      image
        == Image(
          width: Fixture.width, height: Fixture.height, channels: channels, bitsPerSample: 32,
          samples: .float32(Fixture.floats(channels: channels))))
  }

  /// Two rounding steps of JPEG at quality 98: the transform's coefficients and the colours.
  static let jpegTolerance = 3

  @Test(arguments: [
    ("smooth-grey.jpg", 1), ("smooth-grey-progressive.jpg", 1), ("smooth-rgb.jpg", 3),
    ("smooth-rgb-progressive.jpg", 3), ("smooth-rgb-subsampled.jpg", 3),
    ("smooth-rgb-unconverted.jpg", 3), ("smooth-grey-jpeg.tif", 1), ("smooth-rgb-jpeg.tif", 3),
    ("smooth-rgb-jpeg-subsampled.tif", 3),
  ])
  func jpegSamples(name: String, channels: Int) throws {
    let image = try ImageFile.read(Fixture.path(name))
    #expect(image.width == 16)
    #expect(image.height == 8)
    #expect(image.channels == channels)
    #expect(image.bitsPerSample == 8)
    let values = try #require(image.integers)
    let errors = zip(values, Fixture.smooth(channels: channels)).map { abs($0 - $1) }
    #expect((errors.max() ?? 0) <= Self.jpegTolerance)
  }

  @Test func pages() throws {
    let path = Fixture.path("pages.tif")
    #expect(try ImageFile.pageCount(path) == 4)
    let images = try ImageFile.readAll(path)
    #expect(images.map(\.bitsPerSample) == [8, 16, 8, 32])
    #expect(images.map(\.channels) == [1, 1, 3, 1])
    #expect(images[0].integers == Fixture.integers(bits: 8))
    #expect(images[1].integers == Fixture.integers(bits: 16, page: 1))
    #expect(images[2].integers == Fixture.integers(bits: 8, channels: 3, page: 2))
    #expect(images[3].samples == .float32(Fixture.floats(page: 3)))
    for page in 0..<4 {
      #expect(try ImageFile.read(path, page: page) == images[page])
    }
  }

  @Test func pageThatIsNotThere() throws {
    let past = #expect(throws: FileError.self) {
      try ImageFile.read(Fixture.path("pages.tif"), page: 4)
    }
    #expect(past?.found == "4 pages")
    #expect(throws: FileError.self) {
      try ImageFile.read(Fixture.path("pages.tif"), page: .max)
    }
    #expect(throws: FileError.self) { try ImageFile.read(Fixture.path("grey8.png"), page: 1) }
  }

  @Test func kindGoesByTheFirstBytes() throws {
    let folder = try ScratchFolder()
    for (source, name) in [("grey8.tif", "a.png"), ("grey8.png", "b.jpg"), ("grey8.png", "c")] {
      let bytes = try FileBytes.read(Fixture.path(source))
      let image = try ImageFile.read(try folder.file(name, bytes))
      #expect(image.integers == Fixture.integers(bits: 8))
    }
  }

  @Test(arguments: [
    ("a.png", true), ("/x/y.TIF", true), ("y.tiff", true), ("z.JPG", true), ("b.c.jpeg", true),
    (".a.png", false), ("/x/.png", false), ("a.gif", false), ("png", false), ("a.png/b", false),
    ("", false), ("a.", false), ("a.bmp", true), ("a.nii.gz", true), ("a.gz", false),
    ("a.npy", true), (".nii.gz", false), ("a.jp2", true), ("a.png/", false), ("/.x/a.png", true),
  ])
  func imageNames(path: String, expected: Bool) {
    #expect(ImageFile.isImage(path) == expected)
  }

  @Test func intensities() {
    func values(_ bits: Int, _ samples: Image.Samples) -> [Float] {
      Image(width: 3, height: 1, channels: 1, bitsPerSample: bits, samples: samples).intensities()
    }
    #expect(values(1, .uint8([0, 1, 1])) == [0, 1, 1])
    #expect(values(4, .uint8([0, 3, 15])) == [0, 0.2, 1])
    #expect(values(8, .uint8([0, 51, 255])) == [0, 0.2, 1])
    #expect(values(16, .uint16([0, 13107, 65535])) == [0, 0.2, 1])
    #expect(values(32, .float32([-1, 0.5, 7])) == [-1, 0.5, 7])
  }

  @Test func manyThreadsAtOnce() async throws {
    let names = ["rgb16-planes-tiles.tif", "smooth-rgb-jpeg.tif", "rgb8.png", "smooth-rgb.jpg"]
    let alone = try names.map { try ImageFile.read(Fixture.path($0)) }
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for turn in 0..<400 {
        group.addTask {
          let index = turn % names.count
          // Errors on other files at the same time must not show up here.
          if turn % 3 == 0 {
            _ = try? ImageFile.read(Fixture.path("unsupported-jpegxl.tif"))
          }
          return try ImageFile.read(Fixture.path(names[index])) == alone[index]
        }
      }
      for try await same in group { #expect(same) }
    }
  }
}
