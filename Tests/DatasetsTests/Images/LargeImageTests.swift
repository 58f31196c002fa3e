// Images that go by windows: which ones, and in which channels.

import Datasets
import Files
import Foundation
import Imaging
import Testing

@Suite struct LargeImageTests {
  private func entry(_ paths: [String], channels: Int = 1) throws -> SampleIndex.Entry {
    try SampleIndex.images(paths, channels: channels).entries[0]
  }

  /// Writes an RGB TIFF; `value` gives the samples of a pixel.
  private func colour(
    _ path: String, _ value: (_ pixel: Int, _ channel: Int) -> Int
  ) throws -> String {
    let samples = (0..<6 * 5 * 3).map { UInt8(value($0 / 3, $0 % 3)) }
    try TIFFFile.write(
      Image(width: 6, height: 5, channels: 3, bitsPerSample: 8, samples: .uint8(samples)), to: path)
    return path
  }

  @Test func bytesDecide() throws {
    let folder = try TemporaryFolder()
    let grey = try folder.tiff("grey.tif", pages: [[[1, 2, 3], [4, 5, 6]]])
    #expect(try LargeImage(entry([grey]), channels: 1) == nil)
    #expect(try LargeImage(entry([grey]), channels: 1, wholeByteLimit: 6) == nil)
    let image = try #require(try LargeImage(entry([grey]), channels: 1, wholeByteLimit: 5))
    #expect(image.width == 3 && image.height == 2 && image.byteCount == 6)
    #expect(try image.part(rows: 1..<2, columns: 1..<3).samples == .uint8([5, 6]))
    // Other kinds are decoded as a whole, whatever they take.
    let png = try folder.grey("a.png", [[1, 2], [3, 4]])
    #expect(try LargeImage(entry([png]), channels: 1, wholeByteLimit: 1) == nil)
  }

  @Test func greyAndColour() throws {
    let folder = try TemporaryFolder()
    let grey = try folder.tiff("grey.tif", pages: [[[1, 2, 3], [4, 5, 6]]])
    let threefold = try #require(try LargeImage(entry([grey]), channels: 3, wholeByteLimit: 0))
    #expect(
      try threefold.part(rows: 0..<1, columns: 1..<3).samples == .uint8([2, 2, 2, 3, 3, 3]))
    #expect(throws: FileError.self) {
      try LargeImage(entry([grey]), channels: 2, wholeByteLimit: 0)
    }

    let equal = try colour(folder.place("equal.tif")) { pixel, _ in pixel }
    let single = try #require(try LargeImage(entry([equal]), channels: 1, wholeByteLimit: 0))
    #expect(try single.part(rows: 1..<2, columns: 0..<2).samples == .uint8([6, 7]))
    // One pixel in colour, which the passes for the normalisation meet.
    let other = try colour(folder.place("other.tif")) { $0 == 29 && $1 == 2 ? 99 : $0 }
    let almost = try #require(try LargeImage(entry([other]), channels: 1, wholeByteLimit: 0))
    let error = #expect(throws: FileError.self) { try almost.transform(IntensityNormalization()) }
    #expect(error?.expected == "1 channel, as the network has")
  }

  @Test func channelsInFilesOfTheirOwn() throws {
    let folder = try TemporaryFolder()
    let first = try folder.tiff("a_0000.tif", pages: [[[1, 2], [3, 4]]])
    let second = try folder.tiff("a_0001.tif", pages: [[[5, 6], [7, 8]]])
    let both = try entry([folder.path], channels: 2)
    #expect(both.name == "a")
    let image = try #require(try LargeImage(both, channels: 2, wholeByteLimit: 0))
    #expect(
      try image.part(rows: 0..<2, columns: 1..<2).samples == .uint8([2, 6, 4, 8]))
    #expect(try both.image().samples == .uint8([1, 5, 2, 6, 3, 7, 4, 8]))
    // For a network of one channel, and of three, they are images of their own.
    #expect(try SampleIndex.images([first, second]).entries.map(\.name) == ["a_0000", "a_0001"])
    #expect(try SampleIndex.images([folder.path], channels: 3).entries.count == 2)
    try folder.tiff("a_0001.tif", pages: [[[5, 6]]])
    #expect(throws: FileError.self) { try LargeImage(both, channels: 2, wholeByteLimit: 0) }
  }

  @Test func filesThatCannotBeOpenedAreListed() throws {
    let folder = try TemporaryFolder()
    try folder.text("in/b.tif", "text")
    try folder.grey("in/a.png")
    try folder.text("in/notes.txt", "")
    #expect(throws: FileError.self) { try SampleIndex.images([folder.path + "/in"]) }
    let missing = folder.path + "/none.png"
    let index = try SampleIndex.images([folder.path + "/in", missing], keepsGoing: true)
    #expect(index.entries.map(\.name) == ["a"])
    #expect(index.unreadable.map(\.name) == ["b", "none"])
    #expect(index.unreadable.map(\.error.path) == [folder.path + "/in/b.tif", missing])
    #expect(index.notes == ["\(folder.path)/in: passed over 1 TXT file"])
  }
}
