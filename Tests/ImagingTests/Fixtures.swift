// The committed image files, the formulas of their pixels, and workspace folders for files to
// break.

import Foundation
import Imaging

enum Fixture {
  /// The folder that `Scripts/make-image-fixtures.py` fills.
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Fixtures").path

  static func path(_ name: String) -> String { folder + "/" + name }

  /// All of them, in the order of their names.
  static func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  static let width = 21
  static let height = 19

  /// The 16-bit sample of the fixtures' formula; fewer bits are its highest.
  static func sample(x: Int, y: Int, channel: Int, page: Int) -> Int {
    (x * 2741 + y * 7919 + channel * 12347 + page * 4099 + 1234) % 65536
  }

  static func integers(bits: Int, channels: Int = 1, page: Int = 0) -> [Int] {
    samples(channels: channels) { x, y, channel in
      sample(x: x, y: y, channel: channel, page: page) >> (16 - bits)
    }
  }

  static func floats(channels: Int = 1, page: Int = 0) -> [Float] {
    samples(channels: channels) { x, y, channel in
      Float(sample(x: x, y: y, channel: channel, page: page)) / 256 - 100
    }
  }

  /// The RGB values of a palette image of `bits` bits.
  static func palette(bits: Int) -> [Int] {
    integers(bits: bits).flatMap { entry in
      [37, 59, 83].map { step in (entry * step + step) % 256 }
    }
  }

  /// The 16 x 8 values that JPEG keeps within a few steps.
  static func smooth(channels: Int) -> [Int] {
    samples(width: 16, height: 8, channels: channels) { x, y, channel in
      40 + 8 * x + 4 * y + 20 * channel
    }
  }

  private static func samples<Sample>(
    width: Int = width, height: Int = height, channels: Int, _ sample: (Int, Int, Int) -> Sample
  ) -> [Sample] {
    var values: [Sample] = []
    for y in 0..<height {
      for x in 0..<width {
        for channel in 0..<channels {
          values.append(sample(x, y, channel))
        }
      }
    }
    return values
  }
}

extension Image {
  /// The samples of an unsigned image of at most 16 bits, nil for others.
  var integers: [Int]? {
    switch samples {
    case .uint8(let values): values.map(Int.init)
    case .uint16(let values): values.map(Int.init)
    default: nil
    }
  }
}

/// A folder of its own for one test, removed at the end.
final class ScratchFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/imaging-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  /// Writes a file into the folder and returns its path.
  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    try Data(bytes).write(to: URL(filePath: path + "/" + name))
    return path + "/" + name
  }

  func contents() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path)
  }
}
