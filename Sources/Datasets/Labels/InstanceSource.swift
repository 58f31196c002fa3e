// The files that number the objects of an image.

import Files
import Imaging

/// Where the objects of an image are numbered.
enum InstanceSource: Sendable, Equatable {
  /// A grey image of its size, 0 for background and any other whole number for an object.
  case numbered(FilePage)
  /// A file for each object, at least one, which is not 0 where the object is; objects are numbered
  /// from 1 in their order.
  case separate([String])
  /// No object, in an image that is looked at for its size alone.
  case nothing(in: FilePage)

  /// The file, or that of the first object, which stands for all in messages.
  var first: FilePage {
    switch self {
    case .numbered(let file), .nothing(let file): file
    case .separate(let paths): FilePage(path: paths[0])
    }
  }

  /// The files.
  var paths: [String] {
    switch self {
    case .numbered(let file): [file.path]
    case .separate(let paths): paths
    case .nothing: []
    }
  }

  /// The numbers, height x width, in rows from the top.
  ///
  /// - Throws: as `read()`, and for files of another size than the image.
  func numbers(width: Int, height: Int) throws(FileError) -> [Int32] {
    let objects = try read()
    try Self.check(
      width: objects.width, height: objects.height, path: first.path, areOf: (width, height))
    return objects.numbers
  }

  /// The numbers in a rectangle, rows x columns, of an image of this size.
  ///
  /// - Throws: as `numbers(width:height:)`.
  func numbers(
    rows: Range<Int>, columns: Range<Int>, width: Int, height: Int
  ) throws(FileError) -> [Int32] {
    if case .numbered(let file) = self,
      let large = try LargeImage(
        ImageSource(channels: [file]), channels: nil, as: .mask,
        wholeByteLimit: LargeImage.wholeByteLimit)
    {
      try Self.check(
        width: large.width, height: large.height, path: file.path, areOf: (width, height))
      let part = try large.part(rows: rows, columns: columns)
      return try ObjectNumbers(part, path: file.path, top: rows.lowerBound).numbers
    }
    let numbers = try numbers(width: width, height: height)
    guard columns.count < width || rows.count < height else { return numbers }
    return rows.flatMap { row in
      numbers[row * width + columns.lowerBound..<row * width + columns.upperBound]
    }
  }

  /// Refuses objects of another size than their image.
  static func check(
    width: Int, height: Int, path: String, areOf size: (width: Int, height: Int)
  ) throws(FileError) {
    guard width == size.width && height == size.height else {
      throw FileError(
        .sizesDiffer, path: path, expected: "\(size.width)x\(size.height), as its image",
        found: "\(width)x\(height)", hint: "instances have the size of their image")
    }
  }

  /// The numbered objects.
  ///
  /// - Throws: `FileError` for a file that cannot be decoded, is in colour where it numbers objects,
  ///   has values that are no whole numbers from 0 on, or another size than the first object's.
  func read() throws(FileError) -> ObjectNumbers {
    switch self {
    case .numbered(let file): try ObjectNumbers(try file.read(as: .mask), path: file.path)
    case .separate(let paths): try ObjectNumbers(separate: paths)
    case .nothing(let image): try ObjectNumbers(nothingIn: image)
    }
  }
}

/// The number of each pixel's object, 0 for background.
struct ObjectNumbers: Sendable {
  let width: Int
  let height: Int
  /// Height x width, in rows from the top.
  private(set) var numbers: [Int32]
  /// The pixels that several objects have; each is the first one's.
  private(set) var overlapCount = 0

  /// The numbers in an image, or in rows of it of which the first is `top`.
  ///
  /// - Throws: `FileError` naming `path`, as of an `InstanceSource`.
  init(_ image: Image, path: String, top: Int = 0) throws(FileError) {
    (width, height) = (image.width, image.height)
    let values = try MaskValue.packedValues(of: image, path: path, top: top).map {
      MaskValue(packed: $0)
    }
    if let place = values.firstIndex(where: { !$0.isGrey }) {
      throw FileError(
        .unknownValue, path: path, expected: "one number a pixel, the same in red, green and blue",
        found: "\(values[place]) at x \(place % width), y \(top + place / width)",
        hint: "save instances as a grey image of 8, 16 or 32 bits")
    }
    if let place = values.firstIndex(where: { Int32(exactly: $0.red).map { $0 < 0 } ?? true }) {
      throw FileError(
        .unknownValue, path: path, expected: "numbers in 0...\(Int32.max)",
        found: "\(values[place]) at x \(place % width), y \(top + place / width)",
        hint: "number the objects from 1 on, 0 for background")
    }
    numbers = values.map { Int32($0.red) }
  }

  fileprivate init(nothingIn image: FilePage) throws(FileError) {
    let image = try image.read()
    (width, height) = (image.width, image.height)
    numbers = [Int32](repeating: 0, count: width * height)
  }

  fileprivate init(separate paths: [String]) throws(FileError) {
    let first = try ImageFile.read(paths[0], as: .mask)
    (width, height) = (first.width, first.height)
    numbers = [Int32](repeating: 0, count: width * height)
    for (index, path) in paths.enumerated() {
      let object = index == 0 ? first : try ImageFile.read(path, as: .mask)
      guard object.width == width && object.height == height else {
        throw FileError(
          .sizesDiffer, path: path, expected: "\(width)x\(height), as \(paths[0])",
          found: "\(object.width)x\(object.height)",
          hint: "the files of all objects have the size of their image")
      }
      let values = try MaskValue.packedValues(of: object, path: path)
      for place in values.indices where values[place] != 0 {
        if numbers[place] == 0 { numbers[place] = Int32(index + 1) } else { overlapCount += 1 }
      }
    }
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
