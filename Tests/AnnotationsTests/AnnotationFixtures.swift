// What scikit-image, pycocotools and roifile compute, from Scripts/make-annotation-fixtures.py.

import Foundation
import Imaging

/// The fixture's file.
struct AnnotationFixtures: Decodable, Sendable {
  struct Polygon: Decodable {
    let width: Int
    let height: Int
    let points: [[Double]]
    let pixels: [Int]
  }

  struct Runs: Decodable {
    let width: Int
    let height: Int
    let text: String
    let counts: [Int]
    let pixels: [Int]
  }

  let polygons: [Polygon]
  let runs: [Runs]

  /// The path of a fixture, read where it lies in the source tree.
  static func path(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/\(name)").path
  }

  static func read() throws -> AnnotationFixtures {
    try JSONDecoder().decode(
      AnnotationFixtures.self,
      from: Data(contentsOf: URL(fileURLWithPath: path("annotations.json"))))
  }
}

/// Writes a grey PNG of this size.
func writePNG(_ path: String, width: Int, height: Int) throws {
  try FileManager.default.createDirectory(
    at: URL(fileURLWithPath: path).deletingLastPathComponent(), withIntermediateDirectories: true)
  try PNGFile.write(
    Image(
      width: width, height: height, channels: 1, bitsPerSample: 8,
      samples: .uint8([UInt8](repeating: 7, count: width * height))), to: path)
}

/// The samples of a grey image.
func values(_ path: String) throws -> [Int] {
  switch try ImageFile.read(path).samples {
  case .uint8(let values): values.map { Int($0) }
  case .uint16(let values): values.map { Int($0) }
  default: []
  }
}
