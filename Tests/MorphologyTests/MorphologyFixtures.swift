// What scipy and scikit-image compute, from Scripts/make-morphology-fixtures.py.

import Foundation

/// One image of the fixture.
struct MorphologyFixture: Decodable, Sendable {
  let width: Int
  let height: Int
  let pixels: [Int32]
  let relief: [Float]
  let markers: [Int32]
  let mask: [Int]
  let components4: [Int32]
  let components8: [Int32]
  let squares: [Double]
  let watershed4: [Int32]
  let watershed8: [Int32]
  let lines4: [Int32]
  let lines8: [Int32]
  let masked4: [Int32]
  let maskedLines4: [Int32]

  /// All images, read where they lie in the source tree.
  static func all() throws -> [MorphologyFixture] {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/morphology.json")
    return try JSONDecoder().decode([MorphologyFixture].self, from: Data(contentsOf: path))
  }
}
