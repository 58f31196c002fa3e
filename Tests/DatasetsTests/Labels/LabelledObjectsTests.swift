// How large the objects of a set are, and which class is the most frequent.

import Datasets
import Imaging
import Testing

@Suite struct LabelledObjectsTests {
  private static func dataset(_ masks: [[[UInt8]]]) throws -> Dataset {
    let samples = masks.enumerated().map { number, mask in
      (name: "s\(number)", image: Image.grey(mask), mask: Image.grey(mask))
    }
    return try Dataset(
      samples, mapping: ClassMapping(scanning: samples.map { (name: $0.name, mask: $0.mask) }))
  }

  /// Objects of 1, 1 and 4 pixels in the first image, and of 9 in the second, of two classes.
  private static let masks: [[[UInt8]]] = [
    [[7, 0, 7, 0, 9, 9], [0, 0, 0, 0, 9, 9]],
    [[7, 7, 7], [7, 7, 7], [7, 7, 7]],
  ]

  /// Of the first image half of the 6 pixels are of the object of 4, of both half of the 15 of that of 9.
  @Test func halfOfTheObjectsPixelsAreOfSmallerOnes() throws {
    let dataset = try Self.dataset(Self.masks)
    #expect(try dataset.objectDiameter(of: [0]) == 2)
    #expect(try dataset.objectDiameter(of: [0, 1]) == 3)
    #expect(try dataset.objectDiameter(of: []) == nil)
  }

  @Test func aSetWithoutObjectsHasNoDiameter() throws {
    let dataset = try Self.dataset([[[0, 0], [0, 0]], [[0, 0], [0, 1]]])
    #expect(try dataset.objectDiameter(of: [0]) == nil)
    #expect(try dataset.objectDiameter(of: [1]) == 1)
  }

  @Test func theMostFrequentClassIsThatOfMostPixels() throws {
    #expect(try Self.dataset(Self.masks).mapping.mostFrequent == 1)
    // The first of two alike.
    #expect(try Self.dataset([[[3, 0], [0, 3]]]).mapping.mostFrequent == 0)
  }
}
