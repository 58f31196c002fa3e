// Numbered objects: found, refused where they do not fit, and used by the weight map.

import Datasets
import Files
import Foundation
import Imaging
import Testing

@Suite struct InstancesTests {
  /// One blob of two objects that touch, beside a third one.
  private func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for name in ["a", "b"] {
      try folder.grey("images/\(name).png", [[1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7]])
      try folder.grey("masks/\(name).png", [[0, 9, 9, 9, 0, 9, 9], [0, 9, 9, 9, 0, 9, 0]])
      try folder.grey("instances/\(name).png", [[0, 4, 4, 2, 0, 7, 7], [0, 4, 4, 2, 0, 7, 0]])
    }
    return folder
  }

  private let numbers: [Int32] = [0, 4, 4, 2, 0, 7, 7, 0, 4, 4, 2, 0, 7, 0]

  @Test func areFoundAndRead() throws {
    let folder = try folder()
    let index = try SampleIndex.folder(folder.path)
    #expect(index.hasInstances)
    #expect(
      index.listing == ["a 7x2x1", "b 7x2x1"]
        && index.instanceListing == ["instances a", "instances b"])
    let dataset = try Dataset(index, mapping: ClassMapping(scanning: index))
    #expect(dataset.hasInstances)
    #expect(try dataset.instances(of: dataset.image(1)) == numbers)
    try FileManager.default.removeItem(atPath: folder.path + "/instances")
    let without = try FoundSamples.folder(folder.path)
    #expect(!without.hasInstances)
    let error = #expect(throws: FileError.self) { try without.requireInstances(path: folder.path) }
    #expect(error?.kind == .missing && error?.expected.contains("instances/") == true)
  }

  @Test func everyImageHasExactlyOneFile() throws {
    let folder = try folder()
    try folder.grey("instances/c.png")
    #expect(refusal(of: folder)?.path.hasSuffix("instances/c.png") == true)
    try FileManager.default.removeItem(atPath: folder.path + "/instances/c.png")
    try FileManager.default.removeItem(atPath: folder.path + "/instances/b.png")
    #expect(refusal(of: folder)?.path.hasSuffix("images/b.png") == true)
    try folder.tiff("instances/b.tif", pages: [[[1]], [[2]]])
    #expect(refusal(of: folder)?.kind == .pageCountsDiffer)
    try folder.tiff("instances/a.tif", pages: [[[1]]])
    #expect(refusal(of: folder)?.kind == .twoMasks)
  }

  private func refusal(of folder: TemporaryFolder) -> FileError? {
    #expect(throws: FileError.self) { try SampleIndex.folder(folder.path) }
  }

  /// Whether the run will need them or not.
  @Test func anotherSizeOrColourIsNamedAtTheStart() throws {
    let folder = try folder()
    let index = try SampleIndex.folder(folder.path)
    let dataset = try Dataset(index, mapping: ClassMapping(scanning: index))
    for (image, kind) in [
      (.grey([[1, 2]]), FileError.Kind.sizesDiffer),
      (.colour(width: 7, [[UInt8]](repeating: [1, 2, 3], count: 14)), .unknownValue),
    ] as [(Image, FileError.Kind)] {
      try FileManager.default.removeItem(atPath: folder.path + "/instances/a.png")
      try folder.png("instances/a.png", image)
      let refusal = refusal(of: folder)
      #expect(refusal?.kind == kind && refusal?.path.hasSuffix("instances/a.png") == true)
      // Of a set that was decoded before they are read again.
      let error = #expect(throws: FileError.self) { try dataset.instances(of: dataset.image(0)) }
      #expect(error?.kind == kind && error?.path.hasSuffix("instances/a.png") == true)
    }
  }

  /// Between objects 2 and 7 d1 = d2 = 1; the first column sees 4 and 2 at 1 and 3, the corner 7 and 2
  /// at 1 and 3.
  @Test func theWeightMapTakesThemForObjects() throws {
    let map = WeightMap(classWeights: [1, 2])
    let labels: [UInt8] = numbers.map { $0 == 0 ? 0 : 1 }
    let weights = map.weights(labels: labels, instances: numbers, width: 7, height: 2)
    for (place, sum) in [(4, 2.0), (0, 4), (13, 4)] {
      let expected = 1 + 10 * exp(-sum * sum / 50)
      #expect(abs(Double(weights[place]) - expected) < 1e-4, "place \(place)")
    }
    #expect(labels.indices.allSatisfy { labels[$0] == 0 || weights[$0] == 2 })
    // As one blob, 4 and 2 are one object, whose distance to the first column is 1.
    let blob = map.weights(labels: labels, width: 7, height: 2)
    #expect(blob[0] < weights[0] && blob[4] == weights[4])
  }

  @Test func bordersPartObjectsThatTouch() throws {
    let folder = try folder()
    let index = try SampleIndex.folder(
      folder.path, Decoding(DecodedForm(instanceBorders: true)))
    let dataset = try Dataset(index, mapping: ClassMapping(scanning: index))
    #expect(try dataset.image(0).labels == [0, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 0])
    // Objects 4 and 7 are left: the pixels of the border lie between them.
    let weighted = try dataset.weighted(by: WeightMap(classWeights: [1, 1])).image(0)
    let weights = try #require(weighted.weights)
    let expected: Double = 1 + 10 * exp(-16.0 / 50)
    #expect(abs(Double(weights[3]) - expected) < 1e-4)
  }

  /// What is computed once is not read again: the instances may be gone.
  @Test func mapsOfImagesInFilesAreComputedOnce() throws {
    let folder = try folder()
    let index = try SampleIndex.folder(folder.path)
    let mapping = try ClassMapping(scanning: index)
    let map = WeightMap(classWeights: [1, 2])
    let dataset = try Dataset(index, mapping: mapping).weighted(by: map)
    #expect(dataset.isWeighted)
    let images = try (0..<2).map { try dataset.image($0) }
    let expected = map.weights(
      labels: images[0].labels, instances: numbers, width: 7, height: 2)
    #expect(images.allSatisfy { $0.weights == expected })
    try FileManager.default.removeItem(atPath: folder.path + "/instances")
    for id in [0, 1, 0] { #expect(try dataset.image(id) == images[id]) }
    let part = try dataset.source(1).part(rows: 1..<2, columns: 2..<5)
    #expect(part.weights == Array(expected[9..<12]))
  }
}
