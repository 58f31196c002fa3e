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
    let decoded = try Dataset(index, mapping: mapping)
    let memory = try Dataset(
      ["a", "b"].map { name in
        let paths = ["images", "masks"].map { "\(folder.path)/\($0)/\(name).png" }
        return (name, try ImageFile.read(paths[0]), try ImageFile.read(paths[1], as: .mask))
      }, mapping: mapping)
    // Six and two pixels of 4 + 1 bytes.
    #expect(decoded.ownByteCount == 0 && memory.ownByteCount == 40)
    #expect(decoded.names == ["a", "b"] && decoded.count == 2 && decoded.channels == 1)
    for id in 0..<2 {
      #expect(try decoded.image(id) == memory.image(id) && decoded.size(id) == memory.size(id))
      #expect(decoded.source(id).labelCounts() == memory.source(id).labelCounts())
    }
    let image = try decoded.image(0)
    #expect(image.width == 3 && image.height == 2 && image.name == "a")
    #expect(image.labels == [0, 1, 0, 1, 0, 1])
    for place in 0..<3 {
      #expect(decoded.source(0).place(of: 1, index: place) == 1 + 2 * place)
    }
    // What is decoded once is not read again.
    try FileManager.default.removeItem(atPath: folder.path + "/images")
    #expect(try decoded.image(0) == image)
  }

  @Test func manyThreadsMayRead() throws {
    let folder = try folder()
    let index = try SampleIndex.folder(folder.path)
    let dataset = try Dataset(index, mapping: ClassMapping(scanning: index))
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
