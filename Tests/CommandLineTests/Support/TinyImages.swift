// Tiny image files for tests to train on and to segment.

import Foundation
import Imaging
import TestSupport

/// Image files that a test makes, small enough that a network learns them in a second.
enum TinyImages {
  /// Writes a PNG of 8 bits; `value` gives the samples of a pixel.
  static func png(
    _ path: String, width: Int, height: Int, channels: Int = 1,
    _ value: (_ x: Int, _ y: Int, _ channel: Int) -> Int
  ) throws {
    try FileManager.default.createDirectory(
      at: URL(fileURLWithPath: path).deletingLastPathComponent(),
      withIntermediateDirectories: true)
    var samples: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        for channel in 0..<channels { samples.append(UInt8(clamping: value(x, y, channel))) }
      }
    }
    try PNGFile.write(
      Image(
        width: width, height: height, channels: channels, bitsPerSample: 8,
        samples: .uint8(samples)), to: path)
  }

  /// Writes a data set of grey images: a bright square, of the mask's value 255, on dark noise.
  static func squares(_ folder: String, count: Int = 4, side: Int = 24) throws {
    for index in 0..<count {
      try png("\(folder)/images/cell-\(index).png", width: side, height: side) { x, y, _ in
        (isInSquare(x, y, index, side) ? 180 : 60) + noise(x, y, index)
      }
      try png("\(folder)/masks/cell-\(index).png", width: side, height: side) { x, y, _ in
        isInSquare(x, y, index, side) ? 255 : 0
      }
    }
  }

  /// Writes the instances of a data set of `squares`: the halves of each, 1 and 2, which touch.
  static func halves(_ folder: String, count: Int = 4, side: Int = 24) throws {
    for index in 0..<count {
      let middle = side / 8 + index % 3 * side / 8 + side / 4
      try png("\(folder)/instances/cell-\(index).png", width: side, height: side) { x, y, _ in
        isInSquare(x, y, index, side) ? (x < middle ? 1 : 2) : 0
      }
    }
  }

  /// Writes a data set of RGB images of differing sizes: red and blue bars of the mask's values 1
  /// and 2 on grey.
  static func colouredBars(_ folder: String, sizes: [(width: Int, height: Int)]) throws {
    for (index, size) in sizes.enumerated() {
      let (width, height) = size
      func label(_ x: Int) -> Int { (3 * x / width + index) % 3 }
      try png("\(folder)/images/bar-\(index).png", width: width, height: height, channels: 3) {
        x, y, channel in
        let colours = [[110, 110, 110], [220, 40, 40], [40, 40, 220]]
        return colours[label(x)][channel] + noise(x, y, index)
      }
      try png("\(folder)/masks/bar-\(index)_mask.png", width: width, height: height) { x, _, _ in
        label(x)
      }
    }
  }

  /// Writes an uncompressed grey TIFF of 8 bits with `pageCount` pages.
  static func tiff(
    _ path: String, width: Int, height: Int, pageCount: Int,
    _ value: (_ x: Int, _ y: Int, _ page: Int) -> Int
  ) throws {
    let pages = (0..<pageCount).map { page in
      TIFFPage(
        grey: (0..<height).map { y in (0..<width).map { x in UInt8(value(x, y, page) & 0xFF) } })
    }
    try Data(TIFFBytes.file(pages)).write(to: URL(fileURLWithPath: path))
  }

  /// Writes a data set of three stacks of three pages: columns of the mask's values 0 and 1.
  static func stacks(_ folder: String) throws {
    for name in ["a", "b", "c"] {
      for kind in ["images", "masks"] {
        try FileManager.default.createDirectory(
          atPath: "\(folder)/\(kind)", withIntermediateDirectories: true)
        try tiff("\(folder)/\(kind)/\(name).tif", width: 24, height: 24, pageCount: 3) {
          x, y, page in kind == "masks" ? (x + page) % 2 : x * 7 + y
        }
      }
    }
  }

  /// Whether a pixel lies in the square of an image of `squares`.
  static func isInSquare(_ x: Int, _ y: Int, _ index: Int, _ side: Int) -> Bool {
    let start = side / 8 + index % 3 * side / 8
    let range = start..<start + side / 2
    return range.contains(x) && range.contains(y)
  }

  /// The same small disturbance in every run.
  private static func noise(_ x: Int, _ y: Int, _ index: Int) -> Int {
    (x * 37 + y * 101 + index * 53 + x * y * 7) % 31
  }
}
