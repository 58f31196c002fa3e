// Finding image and mask pairs, and each way in which a folder can be wrong.

import Datasets
import Files
import Foundation
import Imaging
import Testing

@Suite struct SampleIndexTests {
  /// Runs `body`, expects a `FileError` of this kind, and that its path ends as given.
  private func expect(
    _ kind: FileError.Kind, at ending: String, _ body: () throws -> Void,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(
      throws: FileError.self, sourceLocation: sourceLocation, performing: body)
    #expect(error?.kind == kind, sourceLocation: sourceLocation)
    #expect(
      error?.path.hasSuffix(ending) == true, "\(error?.path ?? "")", sourceLocation: sourceLocation)
    #expect(error?.description.contains("\n") == false, sourceLocation: sourceLocation)
  }

  @Test func aFolderIsListedByTheBytesOfItsNames() throws {
    let folder = try TemporaryFolder()
    // In a locale's order the capital and the accent would stand elsewhere.
    for name in ["b", "B", "a", "é", "a-10", "a-9"] {
      try folder.grey("images/\(name).png")
      try folder.grey("masks/\(name).png")
    }
    let index = try SampleIndex.folder(folder.path)
    #expect(index.entries.map(\.name) == ["B", "a", "a-10", "a-9", "b", "é"])
    #expect(index.entries.map(\.id) == Array(0..<6))
    #expect(index.listing.first == "B 2x2x1")
    #expect(index.channels == 1)
    #expect(try index.classNames.read().isEmpty && index.ignored == nil && index.parts.isEmpty)
  }

  @Test func imgsAndMaskSuffixAndOtherExtensionsAreFound() throws {
    let folder = try TemporaryFolder()
    try folder.tiff("imgs/one.tif", pages: [[[1, 2]]])
    try folder.grey("masks/one_mask.PNG", [[0, 1]])
    try folder.grey("imgs/two_mask.png", [[0, 1]])
    try folder.grey("masks/two_mask.png", [[0, 1]])
    let index = try SampleIndex.folder(folder.path)
    #expect(index.entries.map(\.name) == ["one", "two_mask"])
    #expect(index.entries[0].maskPath?.hasSuffix("one_mask.PNG") == true)
  }

  @Test func hiddenFilesTextAndFoldersAreIgnored() throws {
    let folder = try TemporaryFolder()
    try folder.grey("images/a.png")
    try folder.grey("masks/a.png")
    try folder.grey("images/.b.png")
    try folder.text("images/notes.txt", "no image")
    try folder.text("masks/Thumbs.db", "no image")
    try folder.grey("images/old/c.png")
    try folder.grey("images/folder.png/d.png")
    try folder.text("README.md", "about this set")
    #expect(try SampleIndex.folder(folder.path).entries.map(\.name) == ["a"])
  }

  @Test func everyPageIsASample() throws {
    let folder = try TemporaryFolder()
    let pages: [[[UInt8]]] = [[[1, 2, 3]], [[4, 5, 6]], [[7, 8, 9]]]
    let images = try folder.tiff("images/stack.tif", pages: pages)
    let masks = try folder.tiff("masks/stack_mask.tiff", pages: pages)
    try folder.grey("images/lone.png", [[1]])
    try folder.grey("masks/lone.png", [[1]])
    let index = try SampleIndex.folder(folder.path)
    #expect(
      index.listing == ["lone 1x1x1", "stack-0001 3x1x1", "stack-0002 3x1x1", "stack-0003 3x1x1"])
    #expect(index.entries.map(\.imagePage) == [0, 0, 1, 2])
    #expect(index.entries.map(\.maskPage) == [0, 0, 1, 2])

    let pair = try SampleIndex.pair(images: images, masks: masks, .unchanged)
    #expect(pair.entries.map(\.name) == ["stack-0001", "stack-0002", "stack-0003"])
    let dataset = try Dataset(pair, mapping: ClassMapping(scanning: pair))
    #expect(try dataset.image(2).pixels == [7, 8, 9].map { $0 / 255 })
    #expect(try dataset.image(2).labels == [6, 7, 8])
  }

  @Test func twoFilesAreAPairWhateverTheirNames() throws {
    let folder = try TemporaryFolder()
    let image = try folder.grey("left.png")
    let mask = try folder.grey("right.png")
    let index = try SampleIndex.pair(images: image, masks: mask)
    #expect(index.entries.map(\.name) == ["left"])
    // No image is its own mask, by whatever path.
    expect(.mixedSources, at: "left.png") { _ = try SampleIndex.pair(images: image, masks: image) }
    let link = folder.path + "/link.png"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: image)
    expect(.mixedSources, at: "link.png") { _ = try SampleIndex.pair(images: image, masks: link) }
    expect(.mixedSources, at: "left.png") {
      _ = try SampleIndex.pair(images: folder.path, masks: folder.path)
    }
  }

  @Test func missingFoldersAreNamed() throws {
    let folder = try TemporaryFolder()
    expect(.missing, at: "/nowhere") { _ = try SampleIndex.folder(folder.path + "/nowhere") }
    expect(.missing, at: folder.path) { _ = try SampleIndex.folder(folder.path) }
    try folder.grey("images/a.png")
    expect(.missing, at: folder.path) { _ = try SampleIndex.folder(folder.path) }
    expect(.missing, at: "/masks") {
      _ = try SampleIndex.pair(images: folder.path + "/images", masks: folder.path + "/masks")
    }
    let file = try folder.text("file", "")
    expect(.missing, at: "/file") { _ = try SampleIndex.folder(file) }
  }

  @Test func aFolderWithoutImagesIsNamed() throws {
    let folder = try TemporaryFolder()
    try folder.text("images/a.txt", "")
    try folder.grey("masks/a.png")
    expect(.noImages, at: "/images") { _ = try SampleIndex.folder(folder.path) }
    expect(.noImages, at: "/images") { _ = try SampleIndex.images([folder.path + "/images"]) }
    expect(.noImages, at: "the list of images") { _ = try SampleIndex.images([]) }
  }

  @Test func anImageWithoutAMaskIsNamed() throws {
    let folder = try TemporaryFolder()
    try folder.grey("images/a.png")
    try folder.grey("images/b.png")
    try folder.grey("masks/a.png")
    expect(.imageWithoutMask, at: "images/b.png") { _ = try SampleIndex.folder(folder.path) }
  }

  @Test func aMaskWithoutAnImageIsNamed() throws {
    let folder = try TemporaryFolder()
    try folder.grey("images/a.png")
    try folder.grey("masks/a.png")
    try folder.grey("masks/b_mask.png")
    expect(.maskWithoutImage, at: "masks/b_mask.png") { _ = try SampleIndex.folder(folder.path) }
  }

  @Test func twoMasksForOneImageAreNamed() throws {
    let folder = try TemporaryFolder()
    try folder.grey("images/a.png")
    try folder.grey("masks/a.png")
    try folder.grey("masks/a_mask.png")
    expect(.twoMasks, at: "masks/a_mask.png") { _ = try SampleIndex.folder(folder.path) }
  }

  @Test func twoImagesOfOneNameAreNamed() throws {
    let folder = try TemporaryFolder()
    try folder.grey("images/a.png")
    try folder.tiff("images/a.tif", pages: [[[1]]])
    try folder.grey("masks/a.png")
    expect(.duplicateName, at: "images/a.tif") { _ = try SampleIndex.folder(folder.path) }
  }

  @Test func differentPageCountsAreNamed() throws {
    let folder = try TemporaryFolder()
    let images = try folder.tiff("images/s.tif", pages: [[[1]], [[2]]])
    let masks = try folder.tiff("masks/s.tif", pages: [[[1]], [[2]], [[3]]])
    expect(.pageCountsDiffer, at: "masks/s.tif") { _ = try SampleIndex.folder(folder.path) }
    expect(.pageCountsDiffer, at: "masks/s.tif") {
      _ = try SampleIndex.pair(images: images, masks: masks)
    }
  }

  @Test func aFolderBesideAFileIsNamed() throws {
    let folder = try TemporaryFolder()
    try folder.grey("images/a.png")
    let mask = try folder.grey("mask.png")
    expect(.mixedSources, at: "mask.png") {
      _ = try SampleIndex.pair(images: folder.path + "/images", masks: mask)
    }
  }

  @Test func differentSizesAreNamed() throws {
    let folder = try TemporaryFolder()
    try folder.grey("images/a.png", [[1, 2]])
    try folder.grey("masks/a.png", [[1], [2]])
    expect(.sizesDiffer, at: "masks/a.png") { _ = try SampleIndex.folder(folder.path) }
    try folder.tiff("stack/images/s.tif", pages: [[[1, 2]], [[1, 2]]])
    try folder.tiff("stack/masks/s.tif", pages: [[[1, 2]], [[1, 2, 3]]])
    expect(.sizesDiffer, at: "masks/s.tif page 2") {
      _ = try SampleIndex.folder(folder.path + "/stack")
    }
  }

  /// A set of these images, called a, b, ...
  private func set(_ images: [Image]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for (name, image) in zip(["a", "b", "c"], images) {
      try folder.png("images/\(name).png", image)
      try folder.grey("masks/\(name).png", [[1]])
    }
    return folder
  }

  private func pixels(_ folder: TemporaryFolder) throws -> (index: SampleIndex, [[Float]]) {
    let index = try SampleIndex.folder(folder.path, .unchanged)
    let dataset = try Dataset(index, mapping: ClassMapping(scanning: index))
    return (index, try (0..<dataset.count).map { try dataset.image($0).pixels.map { $0 * 255 } })
  }

  @Test func greyBesideColourIsUsedThreeTimes() throws {
    let (index, values) = try pixels(
      set([.grey([[7]]), .colour(width: 1, [[1, 2, 3]]), .colour(width: 1, [[4, 4, 4]])]))
    #expect(index.channels == 3 && index.listing == ["a 1x1x3", "b 1x1x3", "c 1x1x3"])
    #expect(values.map { $0.map { $0.rounded() } } == [[7, 7, 7], [1, 2, 3], [4, 4, 4]])
    #expect(index.remarks.count == 1 && index.remarks[0].contains("1 of the 3 images are grey"))
  }

  @Test func greyInColourBesideGreyIsGrey() throws {
    let (index, values) = try pixels(
      set([.colour(width: 1, [[4, 4, 4]]), .grey([[7]])]))
    #expect(index.channels == 1 && values.map { $0.map { $0.rounded() } } == [[4], [7]])
    #expect(index.remarks.count == 1 && index.remarks[0].contains("three equal channels"))
    #expect(index.adapted(to: 3)?.listing == ["a 1x1x3", "b 1x1x3"])
    #expect(index.adapted(to: 2) == nil)
    // Colour alone stays what it is.
    #expect(try pixels(set([.colour(width: 1, [[4, 4, 4]])])).index.channels == 3)
  }

  @Test func otherChannelsBesideEachOtherAreNamed() throws {
    let folder = try set([.grey([[7]])])
    let npy: [UInt8] = Array("\u{93}NUMPY".unicodeScalars.map { UInt8($0.value) }) + [1, 0]
    let text = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 2), }\n"
    let file = npy + [UInt8(text.utf8.count), 0] + Array(text.utf8) + [1, 2]
    try Data(file).write(to: URL(fileURLWithPath: folder.place("images/b.npy")))
    try folder.grey("masks/b.png", [[1]])
    expect(.channelsDiffer, at: "images/b.npy") { _ = try SampleIndex.folder(folder.path) }
  }

  @Test func whatIsPassedOverIsCounted() throws {
    let folder = try set([.grey([[7]])])
    #expect(try SampleIndex.folder(folder.path).notes.count == 1)
    try folder.text("images/.hidden", "")
    try folder.text("images/a.png.bak", "")
    try folder.text("images/b.gif", "")
    try folder.text("masks/c.GIF", "")
    try folder.grey("images/old/c.png")
    try folder.text("masks/README", "")
    #expect(
      try SampleIndex.folder(folder.path).notes.last
        == "\(folder.path): passed over 2 GIF files, 1 BAK file, 1 extensionless file, 1 folder (old)"
    )
  }

  @Test func aBrokenFileIsNamed() throws {
    let folder = try TemporaryFolder()
    try folder.text("images/a.png", "this is no picture")
    try folder.grey("masks/a.png")
    let error = #expect(throws: FileError.self) { try SampleIndex.folder(folder.path) }
    #expect(error?.description.contains("images/a.png") == true)
  }

  @Test func predictionTakesFilesFoldersAndStacks() throws {
    let folder = try TemporaryFolder()
    let file = try folder.grey("z.png")
    try folder.grey("more/y.png")
    try folder.text("more/y.txt", "")
    let stack = try folder.tiff("s.tif", pages: [[[1]], [[2]]])
    let index = try SampleIndex.images([file, folder.path + "/more", stack])
    #expect(index.listing == ["s-0001", "s-0002", "y", "z"])
    #expect(index.entries.allSatisfy { $0.maskPath == nil && $0.size == nil })
    expect(.imageWithoutMask, at: "s.tif") {
      _ = try Dataset(index, mapping: ClassMapping(scanning: [("m", .grey([[0]]))]))
    }
  }

  @Test func predictionRefusesTwoOutputsOfOneName() throws {
    let folder = try TemporaryFolder()
    let first = try folder.grey("one/a.png")
    let second = try folder.grey("two/a.png")
    expect(.duplicateName, at: "a.png") { _ = try SampleIndex.images([first, second]) }
    expect(.missing, at: "/none.png") { _ = try SampleIndex.images([folder.path + "/none.png"]) }
  }
}
