// Built-in microscopy pictures: touching cells with known outlines, drawn from a seed.

package import Files
import Foundation
package import Imaging
package import Threading

/// Synthetic grey microscopy images of roundish, touching cells, with masks of two classes.
///
/// Class 0 is background and the borders between cells (mask value 0), class 1 is the inside of
/// cells (mask value 255). The inside of a cell has its own brightness and a texture, both often
/// equal to the background's; cells have dark outlines; the lighting is uneven; then come blur and
/// noise. No threshold finds the cells, but their outlines and texture give them away.
///
/// Only additions, multiplications, divisions and square roots are used, so that an image is the
/// same bits on every machine.
package enum SyntheticCells {
  /// The number of classes.
  package static let classCount = 2

  /// A data set of `count` square images of `side` pixels, in memory.
  ///
  /// - Throws: `FileError` when a number is out of range.
  package static func dataset(
    count: Int, side: Int, seed: UInt64, on team: ThreadTeam? = nil
  ) throws(FileError) -> Dataset {
    let samples = try images(count: count, side: side, seed: seed, on: team)
    let mapping = try ClassMapping(
      scanning: samples.map { (name: $0.name, mask: $0.mask) },
      names: [
        MaskValue(grey: 0): "background and borders", MaskValue(grey: Int(inside)): "cell",
      ])
    return try Dataset(samples, mapping: mapping)
  }

  /// The images and masks, 8 bits a pixel; image number i depends on the seed, the side and i.
  ///
  /// The threads of a team draw images at the same time.
  ///
  /// - Throws: `FileError` when a number is out of range.
  package static func images(
    count: Int, side: Int, seed: UInt64, on team: ThreadTeam? = nil
  ) throws(FileError) -> [(name: String, image: Image, mask: Image)] {
    try check(count: count, side: side)
    guard let team else { return (0..<count).map { sample($0, side: side, seed: seed) } }
    return Array(unsafeUninitializedCapacity: count) { samples, initializedCount in
      let first = samples.baseAddress
      team.forEach(count, first) { first, index, _ in
        first?.advanced(by: index).initialize(to: sample(index, side: side, seed: seed))
      }
      initializedCount = count
    }
  }

  /// Writes the images to `images/` and `masks/` in a folder, and their class names beside them.
  ///
  /// - Throws: `FileError` when a number is out of range or a folder cannot be made,
  ///   `FileError` when an image cannot be written.
  package static func write(to folder: String, count: Int, side: Int, seed: UInt64) throws {
    try check(count: count, side: side)
    for subfolder in ["images", "masks"] { try Folder.make("\(folder)/\(subfolder)") }
    // One at a time: a large set need not fit in memory.
    for index in 0..<count {
      let (name, image, mask) = sample(index, side: side, seed: seed)
      try PNGFile.write(image, to: "\(folder)/images/\(name).png")
      try PNGFile.write(mask, to: "\(folder)/masks/\(name).png")
    }
    let names = """
      {
        "classes": [
          {"value": 0, "name": "background and borders"},
          {"value": \(inside), "name": "cell"}
        ]
      }

      """
    try DurableFile.write(names, to: "\(folder)/classes.json", isFlushed: false)
  }

  private static func sample(
    _ index: Int, side: Int, seed: UInt64
  ) -> (name: String, image: Image, mask: Image) {
    var field = CellField(side: side, seed: seed, index: index)
    let digits = String(index + 1)
    let name = "cells-" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    return (name, field.image(), field.mask())
  }

  private static func check(count: Int, side: Int) throws(FileError) {
    guard counts.contains(count) else {
      throw FileError(
        .invalidArgument, path: "the number of synthetic images", expected: "a number in \(counts)",
        found: "\(count)", hint: "8 are enough to see a network learn")
    }
    guard sides.contains(side) else {
      throw FileError(
        .invalidArgument, path: "the side of synthetic images", expected: "a number in \(sides)",
        found: "\(side)", hint: "256 shows about 50 cells")
    }
  }

  /// How many images a set may have.
  package static let counts = 1...99_999
  /// The rows and columns that images may have; the smallest have room for a cell with its border.
  package static let sides = 16...8192
  /// The mask value of the inside of cells.
  static let inside: UInt8 = 255
}
