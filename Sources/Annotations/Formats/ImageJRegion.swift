// Reading ImageJ's regions of interest.

import Files

/// A region as ImageJ writes it into a `.roi` file: big-endian numbers at fixed places.
///
/// Source: ImageJ's `RoiDecoder` and `ShapeRoi`. Polygons, freehand and traced outlines, rectangles, ovals and
/// what is composed of them are taken.
enum ImageJRegion {
  /// The greatest accepted size of a region in bytes.
  static let sizeLimit = 1 << 26

  /// The shape of a region, nil where it is a line, a point or a text.
  ///
  /// - Throws: `FileError` naming `path` for bytes that are no region, or are cut short.
  static func shape(_ bytes: [UInt8], path: String) throws(FileError) -> Shape? {
    guard bytes.count >= 64, bytes.starts(with: Array("Iout".utf8)) else {
      throw damaged(path, found: "no region of ImageJ's")
    }
    let (version, kind) = (unsigned(bytes, 4), bytes[6])
    let (top, left, bottom, right) = (
      signed(bytes, 8), signed(bytes, 10), signed(bytes, 12), signed(bytes, 14)
    )
    let isSubpixel = version >= 222 && unsigned(bytes, 50) & 128 != 0
    switch kind {
    case 1, 2:
      // What is composed of others is a rectangle with a size of its own data.
      let pathLength = word(bytes, 36)
      if pathLength != 0 { return .polygons(try outlines(bytes, count: pathLength, path: path)) }
      var box = [Double(left), Double(top), Double(right), Double(bottom)]
      if isSubpixel && version >= 223 {
        let (x, y, width, height) = (
          float(bytes, 18), float(bytes, 22), float(bytes, 26), float(bytes, 30)
        )
        box = [x, y, x + width, y + height]
      }
      guard box.allSatisfy(\.isFinite), box[0] < box[2], box[1] < box[3],
        let centre = Point(x: (box[0] + box[2]) / 2, y: (box[1] + box[3]) / 2)
      else { throw damaged(path, found: "a region without an area") }
      if kind == 1 { return .rectangle(box[0], box[1], box[2], box[3]) }
      return .ellipse(
        centre: centre, horizontal: (box[2] - box[0]) / 2, vertical: (box[3] - box[1]) / 2)
    case 0, 7, 8:
      let count = unsigned(bytes, 16) == 0 ? word(bytes, 18) : unsigned(bytes, 16)
      // Four bytes a point, and eight more where there are parts of pixels.
      guard count >= 3, count <= (bytes.count - 64) / (isSubpixel ? 12 : 4) else {
        throw damaged(path, found: "\(count) points in \(bytes.count) bytes")
      }
      let start = isSubpixel ? 64 + 4 * count : 64
      let points = (0..<count).compactMap { index in
        isSubpixel
          ? Point(
            x: float(bytes, start + 4 * index), y: float(bytes, start + 4 * (count + index)))
          : Point(
            x: Double(left + signed(bytes, start + 2 * index)),
            y: Double(top + signed(bytes, start + 2 * (count + index))))
      }
      guard points.count == count else { throw damaged(path, found: "points that are not finite") }
      return .polygon(points)
    default: return nil
    }
  }

  /// The outlines of a composed region: `count` numbers, of each part of a line its kind and its points.
  ///
  /// Kinds are those of Java's `PathIterator`: 0 begins an outline at a point, 1 is a line to one, 2 a curve by
  /// one point to another, 3 by two points to a third, 4 closes the outline.
  private static func outlines(
    _ bytes: [UInt8], count: Int, path: String
  ) throws(FileError) -> [[Point]] {
    guard count > 0, count <= (bytes.count - 64) / 4 else {
      throw damaged(path, found: "\(count) numbers in \(bytes.count) bytes")
    }
    let numbers = (0..<count).map { float(bytes, 64 + 4 * $0) }
    var outlines: [[Point]] = []
    var index = 0
    while index < count {
      let kind = numbers[index]
      index += 1
      if kind == 4 { continue }
      guard let pointCount = [0: 1, 1: 1, 2: 2, 3: 3][kind], index + 2 * pointCount <= count else {
        throw damaged(path, found: "a line of kind \(kind) that is none, or is cut short")
      }
      let points = (0..<pointCount).compactMap {
        Point(x: numbers[index + 2 * $0], y: numbers[index + 2 * $0 + 1])
      }
      index += 2 * pointCount
      guard points.count == pointCount else {
        throw damaged(path, found: "points that are not finite")
      }
      if kind == 0 {
        outlines.append(points)
      } else if let start = outlines.last?.last {
        outlines[outlines.count - 1] += curve([start] + points)
      } else {
        throw damaged(path, found: "a line without a beginning")
      }
    }
    return outlines
  }

  /// The points behind the first of a Bezier curve, as lines of an eighth of it each; of two points the last.
  private static func curve(_ points: [Point]) -> [Point] {
    guard points.count > 2 else { return Array(points.dropFirst()) }
    return (1...8).compactMap { step in
      let t = Double(step) / 8
      var level = points
      // De Casteljau: points between neighbours, until one is left.
      while level.count > 1 {
        level = zip(level, level.dropFirst()).compactMap {
          Point(x: $0.x + t * ($1.x - $0.x), y: $0.y + t * ($1.y - $0.y))
        }
      }
      return level.first
    }
  }

  /// Where in a stack a region lies.
  ///
  /// A page, from 1, stands in the header; depth and time in a second one, whose place the first one has. 0 is
  /// none.
  static func place(_ bytes: [UInt8]) -> StackPlace {
    let (page, second) = (word(bytes, 56), word(bytes, 60))
    if second >= 64, second <= bytes.count - 16 {
      let (depth, time) = (word(bytes, second + 8), word(bytes, second + 12))
      if depth > 0 || time > 0 {
        return .depthAndTime(depth: depth > 0 ? depth - 1 : nil, time: time > 0 ? time - 1 : nil)
      }
    }
    return page > 0 ? .page(page - 1) : .everywhere
  }

  /// The set of these files of regions, each with its image.
  static func read(_ pairs: [(regions: String, image: String)]) throws(FileError) -> AnnotationSet {
    var dropped = DroppedCounts()
    var images: [AnnotatedImage] = []
    let names = AnnotationSource.names(pairs.map { AnnotationSource.last($0.image) })
    for ((path, image), name) in zip(pairs, names) {
      var objects: [AnnotatedObject] = []
      for (place, bytes) in try regions(path) {
        if let shape = try shape(bytes, path: place) {
          objects.append(AnnotatedObject(value: 1, shapes: [shape], place: Self.place(bytes)))
        } else {
          dropped.add("regions without an area: lines, points, texts")
        }
      }
      images.append(
        AnnotatedImage(path: image, name: name, size: nil, mayBeStack: true, objects: objects))
    }
    return AnnotationSet(classes: ["object"], images: images, dropped: dropped)
  }

  /// The regions of a file, one or an archive of them.
  private static func regions(
    _ path: String
  ) throws(FileError) -> [(path: String, bytes: [UInt8])] {
    guard path.lowercased().hasSuffix(".zip") else {
      return [(path, try InputFile.contents(of: path, limit: sizeLimit))]
    }
    return try ZipArchive.files(path).filter { $0.name.lowercased().hasSuffix(".roi") }
      .map { ("\(path): \($0.name)", $0.bytes) }
  }

  private static func damaged(_ path: String, found: String) -> FileError {
    FileError(
      path: path, expected: "a region of ImageJ's", found: found,
      hint: "save it again by ImageJ's ROI manager")
  }

  private static func unsigned(_ bytes: [UInt8], _ place: Int) -> Int {
    Int(bytes[place]) << 8 | Int(bytes[place + 1])
  }

  /// A number of 16 bits; ImageJ takes those below -5000 for what lies beyond 32,767.
  private static func signed(_ bytes: [UInt8], _ place: Int) -> Int {
    let number = Int(Int16(truncatingIfNeeded: unsigned(bytes, place)))
    return number < -5000 ? number + 65536 : number
  }

  private static func word(_ bytes: [UInt8], _ place: Int) -> Int {
    unsigned(bytes, place) << 16 | unsigned(bytes, place + 2)
  }

  private static func float(_ bytes: [UInt8], _ place: Int) -> Double {
    Double(Float(bitPattern: UInt32(word(bytes, place))))
  }
}
