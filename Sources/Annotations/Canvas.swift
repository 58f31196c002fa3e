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
      let hasSidesChanged = image.size == ImageSize(width: size.height, height: size.width)
      let isTurned = hasSidesChanged ? try ImageFile.isTurned(file) : false
      throw FileError(
        path: image.path, expected: "\(image.size ?? size) pixels, as its annotations say",
        found: isTurned ? "\(size), as its orientation (Exif or TIFF) turns it" : "\(size)",
        hint: isTurned
          ? "it was annotated unturned: take the orientation out of the file (exiftool -Orientation=), or "
            + "annotate it as it is shown" : "take the image that was annotated")
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

/// The mask and the instances of an image in which objects are drawn.
struct Canvas {
  /// The value of each pixel's class.
  let values: [UInt8]
  /// The number of each pixel's object, from 1 in the order of those that have pixels.
  let numbers: [UInt16]
  /// The objects that have pixels.
  let count: Int
  /// The pixels that another object has already, once for each that has them too.
  let overlapCount: Int

  /// Draws objects into an image of this size; counts those that have no pixel.
  init(_ objects: [AnnotatedObject], _ size: ImageSize, _ dropped: inout DroppedCounts) {
    let coversEarlier = Self.isOrdered(objects)
    var strokes = objects.indices.flatMap { object in
      objects[object].shapes.indices.map { (object: object, shape: $0) }
    }
    if coversEarlier {
      func time(_ stroke: (object: Int, shape: Int)) -> Int {
        objects[stroke.object].order[stroke.shape]
      }
      strokes.sort { time($0) < time($1) }
    }
    // By the places among the objects, from 1; 0 for none.
    var owners = [Int32](repeating: 0, count: size.width * size.height)
    var isTouched = [Bool](repeating: false, count: objects.count)
    var isOfThisSize = [Bool](repeating: true, count: objects.count)
    var overlapCount = 0
    for (object, shape) in strokes {
      let shape = objects[object].shapes[shape]
      if case .runs(let runs) = shape, runs.size != size {
        isOfThisSize[object] = false
        continue
      }
      let own = Int32(object + 1)
      shape.forEachRun(in: size) { row, columns in
        isTouched[object] = true
        for place in row * size.width + columns.lowerBound..<row * size.width + columns.upperBound {
          let owner = owners[place]
          if owner == 0 || coversEarlier { owners[place] = own }
          if owner != 0 && owner != own && objects[object].isOfClass
            && objects[Int(owner) - 1].isOfClass
          {
            overlapCount += 1
          }
        }
      }
    }
    var hasPixels = [Bool](repeating: false, count: objects.count + 1)
    for owner in owners { hasPixels[Int(owner)] = true }
    var numberOf = [UInt16](repeating: 0, count: objects.count + 1)
    var count = 0
    for (object, drawn) in objects.enumerated() where drawn.isOfClass {
      if hasPixels[object + 1] {
        count += 1
        numberOf[object + 1] = UInt16(clamping: count)
      } else {
        dropped.add(
          !isOfThisSize[object]
            ? "run lengths of another size than their image"
            : isTouched[object]
              ? "objects that lie behind others" : "objects without a pixel inside their image")
      }
    }
    values = owners.map { $0 == 0 ? 0 : objects[Int($0) - 1].value }
    numbers = owners.map { numberOf[Int($0)] }
    (self.count, self.overlapCount) = (count, overlapCount)
  }

  /// Whether later shapes of these objects cover earlier ones.
  static func isOrdered(_ objects: [AnnotatedObject]) -> Bool {
    objects.contains { !$0.order.isEmpty }
  }
}
