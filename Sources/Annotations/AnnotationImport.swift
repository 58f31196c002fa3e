// Annotations turned into images, masks and instances that `train` takes.

package import Files
import Foundation
import Imaging

/// Writes a set of annotations as `images/`, `masks/`, `instances/` and `classes.json`.
///
/// A mask has the value of a class where an object of it is, 0 elsewhere; instances number the objects of
/// their image from 1. A pixel of several objects is in both the first one's, or the last one's where the program
/// draws them so. Masks of a stack are a stack.
package struct AnnotationImport: Sendable {
  /// Images that were written.
  package private(set) var imageCount = 0
  /// Objects that were drawn.
  package private(set) var objectCount = 0
  /// What was left out and what was decided, a line each.
  package private(set) var notes: [String] = []

  /// Writes `set` into the folder `output`; where that fails, nothing of it stays.
  ///
  /// - Throws: `FileError` for a folder that is not empty, an image that cannot be decoded or has another
  ///   size than its annotations say, two images of one name, and a set without an image.
  package init(_ set: AnnotationSet, to output: String) throws(FileError) {
    try Self.checkEmpty(output)
    try Self.checkNames(set.images)
    let isNew = !Folder.isFolder(output)
    do {
      try write(set, to: output)
    } catch {
      for name in ["images", "masks", "instances", "classes.json"] {
        try? FileManager.default.removeItem(atPath: output + "/" + name)
      }
      if isNew { rmdir(output) }
      throw error
    }
  }

  private mutating func write(_ set: AnnotationSet, to output: String) throws(FileError) {
    let folders = ["images", "masks", "instances"].map { output + "/" + $0 }
    for folder in folders { try Folder.make(folder) }
    var dropped = set.dropped
    var (everywhereCount, earlierCount, laterCount) = (0, 0, 0)
    for image in set.images {
      let isThere = FileManager.default.fileExists(atPath: image.path)
      guard isThere || image.embeddedIn != nil else {
        dropped.add("images that are not there, such as \(set.firstMissing ?? image.path)")
        continue
      }
      let file =
        "\(folders[0])/\(image.name).\(try Self.put(image, isThere: isThere, as: folders[0]))"
      let stack = try AnnotatedStack(image, file: file)
      let masks = try MaskWriter(stack, path: "\(folders[1])/\(image.name)", sampleByteCount: 1)
      let numbers = try MaskWriter(stack, path: "\(folders[2])/\(image.name)", sampleByteCount: 2)
      let objects = stack.objectsByImage(image.objects, &dropped)
      for objects in objects {
        let canvas = Canvas(objects, stack.size, &dropped)
        guard canvas.count <= Int(UInt16.max) else {
          throw FileError(
            path: image.path, expected: "at most \(UInt16.max) objects", found: "\(canvas.count)",
            hint: "cut the image into smaller ones")
        }
        try masks.append(.uint8(canvas.values))
        try numbers.append(.uint16(canvas.numbers))
        objectCount += canvas.count
        if Canvas.isOrdered(objects) {
          laterCount += canvas.overlapCount
        } else {
          earlierCount += canvas.overlapCount
        }
      }
      try masks.commit()
      try numbers.commit()
      imageCount += stack.count
      if stack.count > 1 { everywhereCount += image.objects.count { $0.place == .everywhere } }
    }
    guard imageCount > 0 else {
      throw FileError(
        path: output, expected: "at least one image to import", found: "none",
        hint: set.firstMissing.map {
          "\($0) is not there; name the folder of the images by --images"
        }
          ?? "check the source")
    }
    try Self.write(
      classes: set.classes, hasIgnored: set.hasIgnored, to: output + "/classes.json")
    notes = dropped.lines + set.remarks
    if set.hasIgnored {
      notes.append(
        "ignored regions have the value \(AnnotatedObject.ignoredValue), of no class by classes.json"
      )
    }
    if everywhereCount > 0 {
      notes.append(
        "objects without a place in their stack, drawn in all its images: \(everywhereCount)")
    }
    if earlierCount > 0 {
      notes.append("pixels of several objects, each taken for the first one's: \(earlierCount)")
    }
    if laterCount > 0 {
      notes.append("pixels of several objects, each taken for the last one's: \(laterCount)")
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

  /// Puts an image into the folder of images: a second link to its file where the file system makes one, a
  /// copy, or what LabelMe's file holds.
  ///
  /// - Returns: The extension of its name there.
  private static func put(
    _ image: AnnotatedImage, isThere: Bool, as folder: String
  ) throws(FileError) -> String {
    let ending = ImageFile.nameExtension(image.path)
    if let holder = image.embeddedIn, !isThere {
      let bytes = try LabelMeFile.embeddedImage(in: holder)
      // Its own name may be of a kind that LabelMe converts, to PNG or JPEG.
      let kind = ImageFile.isImage(image.path) ? ending : bytes.first == 0x89 ? "png" : "jpg"
      try DurableFile.write(bytes, to: "\(folder)/\(image.name).\(kind)")
      return kind
    }
    let place = "\(folder)/\(image.name).\(ending)"
    // A link to a link would lead elsewhere from the new folder.
    let source = URL(fileURLWithPath: image.path).resolvingSymlinksInPath().path
    if link(source, place) == 0 { return ending }
    do {
      try FileManager.default.copyItem(atPath: source, toPath: place)
    } catch {
      throw FileError(
        path: place, expected: "a copy of \(image.path)", found: "that it cannot be written",
        hint: "check the folder and the space left")
    }
    return ending
  }

  private static func write(
    classes: [String], hasIgnored: Bool, to path: String
  ) throws(FileError) {
    let entries = (["background"] + classes).enumerated().map { value, name in
      JSONValue.object([("value", .integer(value)), ("name", .text(name))])
    }
    let ignored: [(String, JSONValue)] =
      hasIgnored ? [("ignore", .integer(Int(AnnotatedObject.ignoredValue)))] : []
    try DurableFile.write(
      JSONValue.object([("classes", .list(entries))] + ignored).json + "\n", to: path)
  }
}

extension AnnotationSet {
  /// Whether some pixels are of no class.
  fileprivate var hasIgnored: Bool {
    images.contains { $0.objects.contains { $0.value == AnnotatedObject.ignoredValue } }
  }

  /// The first image that is not there.
  fileprivate var firstMissing: String? {
    images.first { $0.embeddedIn == nil && !FileManager.default.fileExists(atPath: $0.path) }?.path
  }
}
