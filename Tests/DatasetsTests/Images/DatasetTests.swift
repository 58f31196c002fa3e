// The decoded set, in memory and from files.

import Datasets
import Files
import Foundation
import Imaging
import Testing

@Suite struct DatasetTests {
  private func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.grey("images/a.png", [[1, 2, 3], [4, 5, 6]])
    try folder.grey("masks/a.png", [[0, 9, 0], [9, 0, 9]])
    try folder.grey("images/b.png", [[10], [20]])
    try folder.grey("masks/b.png", [[9], [0]])
    return folder
  }

  @Test func memoryAndFilesGiveTheSameImages() throws {
    let folder = try folder()
    let index = try SampleIndex.folder(folder.path)
    let mapping = try ClassMapping(scanning: index)
    // Six and two pixels of 4 + 1 bytes.
    let cached = try Dataset(index, mapping: mapping, byteBudget: 40)
    let direct = try Dataset(index, mapping: mapping, byteBudget: 39)
    #expect(cached.isCached && !direct.isCached)
    #expect(cached.names == ["a", "b"] && cached.count == 2 && cached.channels == 1)
    for id in 0..<2 {
      #expect(try cached.image(id) == direct.image(id))
    }
    let image = try direct.image(0)
    #expect(image.width == 3 && image.height == 2 && image.name == "a")
    #expect(image.labels == [0, 1, 0, 1, 0, 1])

    try FileManager.default.removeItem(atPath: folder.path + "/images/b.png")
    #expect(try cached.image(1).labels == [1, 0])
    #expect(throws: FileError.self) { try direct.image(1) }
    try folder.grey("images/b.png", [[10, 20]])
    let error = #expect(throws: FileError.self) { try direct.image(1) }
    #expect(error?.kind == .sizesDiffer)
  }

  @Test func filesThatChangedSinceTheyWereIndexed() throws {
    let folder = try folder()
    let index = try SampleIndex.folder(folder.path)
    let dataset = try Dataset(index, mapping: ClassMapping(scanning: index), byteBudget: 0)
    let image = try dataset.image(1)
    func replace(_ name: String, by image: Image) throws -> FileError? {
      try FileManager.default.removeItem(atPath: folder.path + "/" + name)
      try folder.png(name, image)
      return #expect(throws: FileError.self) { try dataset.image(1) }
    }
    let colour = try replace("images/b.png", by: .colour(width: 1, [[1, 2, 3], [4, 5, 6]]))
    #expect(colour?.kind == .channelsDiffer && colour?.path.hasSuffix("images/b.png") == true)
    #expect(colour?.expected.contains("1 channel") == true)
    #expect(colour?.found.contains("3 channels") == true)
    let wide = try replace("images/b.png", by: .grey([[10, 20]]))
    #expect(wide?.kind == .sizesDiffer && wide?.path.hasSuffix("images/b.png") == true)
    // Image and mask that still fit each other are as little those of the index.
    let mask = try replace("masks/b.png", by: .grey([[9, 0]]))
    #expect(mask?.kind == .sizesDiffer && mask?.path.hasSuffix("images/b.png") == true)

    try FileManager.default.removeItem(atPath: folder.path + "/images/b.png")
    try folder.grey("images/b.png", [[10], [20]])
    let alone = #expect(throws: FileError.self) { try dataset.image(1) }
    #expect(alone?.kind == .sizesDiffer && alone?.path.hasSuffix("masks/b.png") == true)
    let painted = try replace("masks/b.png", by: .colour(width: 1, [[9, 9, 9], [0, 9, 0]]))
    #expect(painted?.kind == .unknownValue && painted?.path.hasSuffix("masks/b.png") == true)
    // A colour of three equal parts is that grey value.
    try FileManager.default.removeItem(atPath: folder.path + "/masks/b.png")
    try folder.png("masks/b.png", .colour(width: 1, [[9, 9, 9], [0, 0, 0]]))
    #expect(try dataset.image(1) == image)
  }

  @Test func manyThreadsMayRead() throws {
    let folder = try folder()
    let index = try SampleIndex.folder(folder.path)
    let dataset = try Dataset(index, mapping: ClassMapping(scanning: index), byteBudget: 0)
    let expected = try dataset.image(0)
    DispatchQueue.concurrentPerform(iterations: 32) { _ in
      #expect((try? dataset.image(0)) == expected)
    }
  }

  @Test func aForeignMappingNamesTheMask() throws {
    let folder = try folder()
    let index = try SampleIndex.folder(folder.path)
    let mapping = try ClassMapping(scanning: [("other", .grey([[0, 1]]))])
    let error = #expect(throws: FileError.self) { try Dataset(index, mapping: mapping) }
    #expect(error?.kind == .unknownValue && error?.path.hasSuffix("masks/a.png") == true)
  }

  @Test func setsInMemoryAreChecked() throws {
    let grey = Image.grey([[0, 1]])
    let mapping = try ClassMapping(scanning: [("a", grey)])
    #expect(throws: FileError.self) { try Dataset([], mapping: mapping) }
    let colour = Image.colour(width: 2, [[0, 0, 0], [1, 1, 1]])
    let mixed = #expect(throws: FileError.self) {
      try Dataset([("a", grey, grey), ("b", colour, grey)], mapping: mapping)
    }
    #expect(mixed?.kind == .channelsDiffer && mixed?.path == "b")
    let sizes = #expect(throws: FileError.self) {
      try Dataset([("a", grey, .grey([[0]]))], mapping: mapping)
    }
    #expect(sizes?.kind == .sizesDiffer)
  }
}
