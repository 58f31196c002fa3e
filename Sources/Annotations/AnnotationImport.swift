// Annotations turned into images, masks and instances that `train` takes.

package import Files
import Foundation
import Imaging

/// Writes a set of annotations as `images/`, `masks/`, `instances/` and `classes.json`.
///
/// A mask has the value of a class where an object of it is, 0 elsewhere; instances number the objects of
/// their image from 1. A pixel of several objects is the first one's in both.
package struct AnnotationImport: Sendable {
  /// Images that were written.
  package private(set) var imageCount = 0
  /// Objects that were drawn.
  package private(set) var objectCount = 0
  /// What was left out and what was decided, a line each.
  package private(set) var notes: [String] = []

  /// Writes `set` into the folder `output`.
  ///
  /// - Throws: `FileError` for a folder that is not empty, an image that cannot be decoded or has another
  ///   size than its annotations say, two images of one name, and a set without an image.
  package init(_ set: AnnotationSet, to output: String) throws(FileError) {
    try Self.checkEmpty(output)
    try Self.checkNames(set.images)
    let folders = ["images", "masks", "instances"].map { output + "/" + $0 }
    for folder in folders { try Folder.make(folder) }
    var dropped = set.dropped
    var overlapCount = 0
    for image in set.images {
      guard FileManager.default.fileExists(atPath: image.path) else {
        dropped.add("images that are not there, such as \(set.firstMissing ?? image.path)")
        continue
      }
      let size = try Self.size(of: image)
      var canvas = Canvas(size)
      for object in image.objects { canvas.draw(object, &dropped) }
      guard canvas.count <= Int(UInt16.max) else {
        throw FileError(
          path: image.path, expected: "at most \(UInt16.max) objects", found: "\(canvas.count)",
          hint: "cut the image into smaller ones")
      }
      let ending = (image.path as NSString).pathExtension
      try Self.put(image.path, at: "\(folders[0])/\(image.name).\(ending)")
      try PNGFile.write(
        Image(
          width: size.width, height: size.height, channels: 1, bitsPerSample: 8,
          samples: .uint8(canvas.values)), to: "\(folders[1])/\(image.name).png")
      try PNGFile.write(
        Image(
          width: size.width, height: size.height, channels: 1, bitsPerSample: 16,
          samples: .uint16(canvas.numbers)), to: "\(folders[2])/\(image.name).png")
      imageCount += 1
      objectCount += canvas.count
      overlapCount += canvas.overlapCount
    }
    guard imageCount > 0 else {
      throw FileError(
        path: output, expected: "at least one image to import", found: "none",
        hint: set.firstMissing.map {
          "\($0) is not there; name the folder of the images by --images"
        }
          ?? "check the source")
    }
    try Self.write(classes: set.classes, to: output + "/classes.json")
    notes = dropped.lines + set.remarks
    if overlapCount > 0 {
      notes.append("pixels of several objects, each taken for the first one's: \(overlapCount)")
    }
  }

  private static func checkEmpty(_ output: String) throws(FileError) {
    guard !output.isEmpty, FileManager.default.fileExists(atPath: output) else { return }
    let names = try Folder.names(in: output)
    guard names.isEmpty else {
      throw FileError(
        path: output, expected: "a folder that is new or empty", found: "\(names.count) entries",
        hint: "choose another folder")
    }
  }

  private static func checkNames(_ images: [AnnotatedImage]) throws(FileError) {
    for (first, second) in zip(images, images.dropFirst()) where first.name == second.name {
      throw FileError(
        path: second.path, expected: "one image called \(second.name)", found: "\(first.path) too",
        hint: "rename one of the files")
    }
    if let image = images.first(where: { $0.name.isEmpty || $0.name.utf8.contains(0) }) {
      throw FileError(
        path: image.path, expected: "the name of an image", found: "none", hint: "correct the file")
    }
  }

  /// The size of an image's file, which is what its annotations say.
  private static func size(of image: AnnotatedImage) throws(FileError) -> ImageSize {
    let pages = try ImageFile.pageCount(image.path)
    guard pages == 1 else {
      throw FileError(
        path: image.path, expected: "an image of one page", found: "\(pages)",
        hint: "save the pages as files of their own")
    }
    let file = try ImageFile.read(image.path)
    let size = ImageSize(width: file.width, height: file.height)
    guard image.size == nil || image.size == size else {
      throw FileError(
        path: image.path, expected: "\(image.size ?? size) pixels, as its annotations say",
        found: "\(size)", hint: "take the image that was annotated")
    }
    return size
  }

  /// Puts a file at another place, by a second link to it where the file system makes one.
  private static func put(_ file: String, at place: String) throws(FileError) {
    // A link to a link would lead elsewhere from the new folder.
    let source = URL(fileURLWithPath: file).resolvingSymlinksInPath().path
    if link(source, place) == 0 { return }
    do {
      try FileManager.default.copyItem(atPath: source, toPath: place)
    } catch {
      throw FileError(
        path: place, expected: "a copy of \(file)", found: "that it cannot be written",
        hint: "check the folder and the space left")
    }
  }

  private static func write(classes: [String], to path: String) throws(FileError) {
    let entries = (["background"] + classes).enumerated().map { value, name in
      JSONValue.object([("value", .integer(value)), ("name", .text(name))])
    }
    try DurableFile.write(JSONValue.object([("classes", .list(entries))]).json + "\n", to: path)
  }
}

extension AnnotationSet {
  /// The first image that is not there.
  fileprivate var firstMissing: String? {
    images.first { !FileManager.default.fileExists(atPath: $0.path) }?.path
  }
}

/// The mask and the instances of an image while its objects are drawn.
private struct Canvas {
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
