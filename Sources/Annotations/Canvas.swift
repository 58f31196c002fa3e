// Objects drawn into masks, image by image of a stack.

import Files
import Imaging

/// The images of an annotated file.
struct AnnotatedStack {
  /// Columns and rows of each image.
  let size: ImageSize
  /// The images of the file.
  var count: Int { places.imageCount }
  private let places: StackPlaces
  private let channelCount: Int

  /// The images of `file`, which is the one that `image` says or a copy of it.
  ///
  /// - Throws: `FileError` where it cannot be decoded, is of another size than its annotations say, or has
  ///   several images and objects that name none.
  init(_ image: AnnotatedImage, file: String) throws(FileError) {
    places = try ImageFile.places(in: file)
    let first = try ImageFile.read(file)
    channelCount = first.channels
    size = ImageSize(width: first.width, height: first.height)
    guard image.size == nil || image.size == size else {
      throw FileError(
        path: image.path, expected: "\(image.size ?? size) pixels, as its annotations say",
        found: "\(size)", hint: "take the image that was annotated")
    }
    guard places.imageCount == 1 || image.mayBeStack else {
      throw FileError(
        path: image.path, expected: "an image of one page", found: "\(places.imageCount)",
        hint: "save the pages as files of their own")
    }
  }

  /// The objects of each image; counts those of places that the file does not have.
  func objectsByImage(
    _ objects: [AnnotatedObject], _ dropped: inout DroppedCounts
  ) -> [[AnnotatedObject]] {
    var result = [[AnnotatedObject]](repeating: [], count: count)
    for object in objects {
      let images = self.images(of: object.place)
      if images.isEmpty { dropped.add("objects of pages that the image does not have") }
      for image in images { result[image].append(object) }
    }
    return result
  }

  private func images(of place: StackPlace) -> [Int] {
    switch place {
    case .everywhere: return Array(0..<count)
    case .page(let page):
      // Channels in one page are pages to ImageJ.
      if count == 1 && page < channelCount { return [0] }
      return places.image(ofPage: page).map { [$0] } ?? []
    case .depthAndTime(let depth, let time):
      if count == 1 { return (depth ?? 0) == 0 && (time ?? 0) == 0 ? [0] : [] }
      return places.images(depth: depth, time: time)
    }
  }
}

/// A file of masks: a PNG of one image, a TIFF of several.
final class MaskWriter {
  private let stack: AnnotatedStack
  private let path: String
  private let sampleByteCount: Int
  private let file: TIFFWriter?

  /// Begins the file of a stack's masks, of samples of 1 or 2 bytes; `path` has no extension.
  init(_ stack: AnnotatedStack, path: String, sampleByteCount: Int) throws(FileError) {
    self.stack = stack
    self.sampleByteCount = sampleByteCount
    guard stack.count > 1 else {
      self.path = path + ".png"
      file = nil
      return
    }
    self.path = path + ".tif"
    file = try TIFFWriter(
      path: self.path,
      byteCount: stack.count * stack.size.width * stack.size.height * sampleByteCount)
  }

  /// Writes the mask of the next image.
  func append(_ samples: Image.Samples) throws(FileError) {
    let image = Image(
      width: stack.size.width, height: stack.size.height, channels: 1,
      bitsPerSample: 8 * sampleByteCount, samples: samples)
    guard let file else { return try PNGFile.write(image, to: path) }
    try file.beginPage(
      width: image.width, height: image.height, channels: 1, sampleByteCount: sampleByteCount,
      division: .strips)
    try file.append(image)
  }

  /// Puts the file in its place.
  func commit() throws(FileError) { try file?.commit() }
}

/// The mask and the instances of an image while its objects are drawn.
struct Canvas {
  let size: ImageSize
  var values: [UInt8]
  var numbers: [UInt16]
  /// The objects that have pixels.
  var count = 0
  /// The pixels that an earlier object has already.
  var overlapCount = 0

  init(_ size: ImageSize) {
    self.size = size
    values = [UInt8](repeating: 0, count: size.width * size.height)
    numbers = [UInt16](repeating: 0, count: size.width * size.height)
  }

  mutating func draw(_ object: AnnotatedObject, _ dropped: inout DroppedCounts) {
    let number = UInt16(clamping: count + 1)
    var (own, overlap) = (0, 0)
    var isOfThisSize = true
    for shape in object.shapes {
      if case .runs(let runs) = shape, runs.size != size {
        isOfThisSize = false
        continue
      }
      shape.forEachRun(in: size) { row, columns in
        for place in row * size.width + columns.lowerBound..<row * size.width + columns.upperBound {
          if numbers[place] == 0 {
            numbers[place] = number
            values[place] = object.value
            own += 1
          } else if numbers[place] != number {
            overlap += 1
          }
        }
      }
    }
    overlapCount += overlap
    if own > 0 {
      count += 1
    } else {
      dropped.add(
        !isOfThisSize
          ? "run lengths of another size than their image"
          : overlap > 0
            ? "objects that lie behind others" : "objects without a pixel inside their image")
    }
  }
}
