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

/// Writes an archive of regions, stored as they are.
///
/// Source: PKWARE's APPNOTE, sections 4.3.7, 4.3.12 and 4.3.16.
func writeArchive(_ regions: [[UInt8]], _ path: String) throws {
  func number(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
  func checksum(_ bytes: [UInt8]) -> Int {
    var crc: UInt32 = ~0
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0xEDB8_8320 }
    }
    return Int(~crc)
  }
  var (archive, directory): ([UInt8], [UInt8]) = ([], [])
  for (index, region) in regions.enumerated() {
    let name = Array("\(index).roi".utf8)
    // Version, flags, method, time, date, checksum, sizes, lengths of the name and of more.
    let common =
      number(20, 2) + number(0, 8) + number(checksum(region), 4) + number(region.count, 4)
      + number(region.count, 4) + number(name.count, 2) + number(0, 2)
    directory +=
      number(0x0201_4B50, 4) + number(20, 2) + common + number(0, 10) + number(archive.count, 4)
      + name
    archive += number(0x0403_4B50, 4) + common + name + region
  }
  let end =
    number(0x0605_4B50, 4) + number(0, 4) + number(regions.count, 2) + number(regions.count, 2)
    + number(directory.count, 4) + number(archive.count, 4) + number(0, 2)
  try Data(archive + directory + end).write(to: URL(fileURLWithPath: path))
}
