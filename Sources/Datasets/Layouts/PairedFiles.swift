// Which mask belongs to which image, by the names of their files.

import Files
import Imaging

/// How masks are called after their images.
enum MaskNames {
  /// What stands behind the name of the image.
  static let suffixes = ["_mask", "_masks", "_label", "_labels", "_seg", "_segmentation"]
  /// What stands before the name that image and mask share.
  static let prefixes = ["mask_", "masks_", "label_", "labels_", "seg_"]
  /// What may stand before it in the image's name.
  static let imagePrefixes = ["image_", "img_"]

  /// The stems of images that a mask called `stem` may belong to by a suffix.
  static func bySuffix(_ stem: String) -> [String] {
    suffixes.filter { stem.hasSuffix($0) && stem.count > $0.count }
      .map { String(stem.dropLast($0.count)) }
  }

  /// The stems of images that a mask called `stem` may belong to by a prefix.
  static func byPrefix(_ stem: String) -> [String] {
    prefixes.filter { stem.hasPrefix($0) && stem.count > $0.count }.flatMap { prefix in
      let name = String(stem.dropFirst(prefix.count))
      return imagePrefixes.map { $0 + name }
    }
  }

  /// The same, and the shared name alone: where masks have a folder of their own.
  static func inFolder(_ stem: String) -> [String] {
    let bare = prefixes.filter { stem.hasPrefix($0) && stem.count > $0.count }
      .map { String(stem.dropFirst($0.count)) }
    return [stem] + bySuffix(stem) + byPrefix(stem) + bare
  }
}

/// The samples of a folder of images and a folder of masks, matched by their stems, with the
/// instances of a third one where it is given.
func pairedSources(
  images: String, masks: String, instances: String? = nil
) throws -> [SampleSource] {
  let images = try imageFiles(in: images)
  let imageOf = try imagesByStem(images)
  let maskOf = try CompanionFiles.masks.files(in: masks, of: images, imageOf)
  let instancesOf = try instances.map {
    try CompanionFiles.instances.files(in: $0, of: images, imageOf)
  }
  return try images.flatMap { image in
    let stem = Paths.stem(image)
    return try SampleSource.pages(
      image: [image], mask: maskOf[stem], instances: instancesOf?[stem])
  }
}

/// The samples of a folder in which masks lie beside their images.
///
/// - Parameter candidates: the stems of images that a mask may belong to, given its own.
/// - Throws: `FileError` for an image without a mask or with two, or a mask without an image.
func neighbouringSources(
  in contents: FolderContents, _ candidates: (_ stem: String) -> [String]
) throws -> [SampleSource] {
  let files = contents.imageNames.map(contents.place)
  let stems = Set(files.map(Paths.stem))
  func isMask(_ file: String) -> Bool {
    candidates(Paths.stem(file)).contains(where: stems.contains)
  }
  let images = files.filter { !isMask($0) }
  let imageOf = try imagesByStem(images)
  var maskOf: [String: String] = [:]
  for mask in files where isMask(mask) {
    // A mask's own mask is no image.
    guard let stem = candidates(Paths.stem(mask)).first(where: { imageOf[$0] != nil }) else {
      throw maskWithoutImage(mask, called: candidates(Paths.stem(mask)))
    }
    if let other = maskOf.updateValue(mask, forKey: stem) {
      throw FileError(
        .twoMasks, path: mask, expected: "one mask for the image \(stem)",
        found: "\(other) too", hint: "remove one of them")
    }
  }
  return try images.flatMap { image in
    let stem = Paths.stem(image)
    guard let mask = maskOf[stem] else {
      if !candidates(stem).isEmpty { throw maskWithoutImage(image, called: candidates(stem)) }
      throw FileError(
        .imageWithoutMask, path: image, expected: "a mask beside it", found: "none",
        hint: "add the mask or remove the image")
    }
    return try SampleSource.pages(image: [image], mask: mask)
  }
}

/// Whether some file of a folder is the mask of another one.
func hasNeighbouringMasks(
  _ contents: FolderContents, _ candidates: (_ stem: String) -> [String]
) -> Bool {
  let stems = Set(contents.imageNames.map(Paths.stem))
  return stems.contains { candidates($0).contains(where: stems.contains) }
}

/// The image files of a folder, in no particular order; hidden files and folders do not count.
///
/// - Throws: `FileError` where there is none.
func imageFiles(in folder: String) throws -> [String] {
  let contents = try FolderContents(path: folder)
  guard !contents.imageNames.isEmpty else {
    throw FileError(
      .noImages, path: folder, expected: "\(ImageFile.kinds) files",
      found: contents.files.isEmpty ? "none" : "none, but \(contents.summary)",
      hint: "hidden files and folders below it do not count")
  }
  return contents.imageNames.map(contents.place)
}

/// The images by their stems, of which no two may be the same.
private func imagesByStem(_ images: [String]) throws(FileError) -> [String: String] {
  var imageOf: [String: String] = [:]
  for image in images.sorted(by: Paths.precedes) {
    let stem = Paths.stem(image)
    if let other = imageOf.updateValue(image, forKey: stem) {
      throw FileError(
        .duplicateName, path: image, expected: "one image called \(stem)",
        found: "\(other) too", hint: "rename or remove one of them")
    }
  }
  return imageOf
}

private func maskWithoutImage(
  _ mask: String, called names: [String], removal: String = "remove the mask"
) -> FileError {
  FileError(
    .maskWithoutImage, path: mask,
    expected: "an image called \(names.joined(separator: " or "))", found: "none",
    hint: "add the image or \(removal)")
}

/// Files of which each image has one, called as the image is, and what messages say of them.
private struct CompanionFiles: Sendable {
  /// The stems of images that a file may belong to, given its own, the likelier ones first.
  let candidates: @Sendable (_ stem: String) -> [String]
  /// One file: "mask".
  let one: String
  /// What an image lacks, given its stem.
  let wanted: @Sendable (_ stem: String) -> String
  /// What to do with a file that has no image, and where an image has no file.
  let removal: String
  let remedy: String

  static let masks = CompanionFiles(
    candidates: MaskNames.inFolder, one: "mask",
    wanted: { "a mask called \($0) or \($0)_mask" },
    removal: "remove the mask", remedy: "add the mask or remove the image")

  static let instances = CompanionFiles(
    candidates: { [$0] }, one: "file of instances", wanted: { "instances called \($0)" },
    removal: "remove its instances",
    remedy: "number the objects of every image, or remove the folder")

  /// The file of each image, by the image's stem.
  ///
  /// - Throws: `FileError` for a file without an image, and an image with two files or none.
  func files(
    in folder: String, of images: [String], _ imageOf: [String: String]
  ) throws -> [String: String] {
    var result: [String: String] = [:]
    for file in try imageFiles(in: folder).sorted(by: Paths.precedes) {
      let candidates = candidates(Paths.stem(file))
      guard let name = candidates.first(where: { imageOf[$0] != nil }) else {
        throw maskWithoutImage(file, called: Array(candidates.suffix(1)), removal: removal)
      }
      if let other = result.updateValue(file, forKey: name) {
        throw FileError(
          .twoMasks, path: file, expected: "one \(one) for the image \(name)",
          found: "\(other) too", hint: "remove one of them")
      }
    }
    for image in images where result[Paths.stem(image)] == nil {
      throw FileError(
        .imageWithoutMask, path: image,
        expected: "\(wanted(Paths.stem(image))) in \(folder)", found: "none", hint: remedy)
    }
    return result
  }
}
