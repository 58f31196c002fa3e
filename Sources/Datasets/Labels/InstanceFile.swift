// The file that numbers the objects of an image.

import Files
import Imaging

/// Where the objects of an image are numbered: a grey image of its size, 0 for background and any
/// other whole number for an object.
struct InstanceFile: Sendable, Equatable {
  let path: String
  /// The page in the file, from 0.
  let page: Int

  /// The numbers, height x width, in rows from the top.
  ///
  /// - Throws: `FileError` for a file that cannot be decoded, of another size than its image, in
  ///   colour, or with values that are no whole numbers in 0...2147483647.
  func numbers(width: Int, height: Int) throws(FileError) -> [Int32] {
    let image = try ImageFile.read(path, page: page, as: .mask)
    guard image.width == width && image.height == height else {
      throw FileError(
        .sizesDiffer, path: path, expected: "\(width)x\(height), as its image",
        found: "\(image.width)x\(image.height)", hint: "instances have the size of their image")
    }
    let values = try MaskValue.packedValues(of: image, path: path).map { MaskValue(packed: $0) }
    if let place = values.firstIndex(where: { !$0.isGrey }) {
      throw FileError(
        .unknownValue, path: path, expected: "one number a pixel, the same in red, green and blue",
        found: "\(values[place]) at x \(place % width), y \(place / width)",
        hint: "save instances as a grey image of 8, 16 or 32 bits")
    }
    if let place = values.firstIndex(where: { Int32(exactly: $0.red).map { $0 < 0 } ?? true }) {
      throw FileError(
        .unknownValue, path: path, expected: "numbers in 0...\(Int32.max)",
        found: "\(values[place]) at x \(place % width), y \(place / width)",
        hint: "number the objects from 1 on, 0 for background")
    }
    return values.map { Int32($0.red) }
  }
}

/// The pixels of objects that touch another object: one of their eight neighbours is of another
/// number.
///
/// Made background, they part all objects, as the touching cells of Ronneberger et al. 2015.
func borderPixels(_ numbers: [Int32], width: Int, height: Int) -> [Bool] {
  numbers.indices.map { place in
    guard numbers[place] != 0 else { return false }
    let (row, column) = (place / width, place % width)
    for y in max(0, row - 1)...min(height - 1, row + 1) {
      for x in max(0, column - 1)...min(width - 1, column + 1) {
        let other = numbers[y * width + x]
        if other != 0 && other != numbers[place] { return true }
      }
    }
    return false
  }
}
