// The layout of `images/` (or `imgs/`) and `masks/`.

import Files

/// A folder that holds `images/` (or `imgs/`), `masks/` and, where objects are numbered, `instances/`.
///
/// A mask has the stem of its image, or that stem followed by `_mask`; the extensions may differ. Instances
/// have the stem of their image, and every image has some. Every page of a multi-page TIFF is a sample.
/// Hidden files, files that are no images and folders are passed over.
package struct ImagesAndMasksLayout: DatasetLayout {
  package static let description = "images/ (or imgs/) and masks/"

  private let folder: String
  private let images: String

  package init?(recognizing folder: String) {
    let candidates = ["images", "imgs"].map { Paths.join(folder, $0) }
    guard let images = candidates.first(where: Folder.isFolder) else { return nil }
    self.folder = folder
    self.images = images
  }

  package func sources() throws -> [SampleSource] {
    let masks = Paths.join(folder, "masks")
    guard Folder.isFolder(masks) else {
      throw FileError(
        .missing, path: folder, expected: "a folder masks/ in it", found: "none",
        hint: "put the masks into masks/, each with the name of its image")
    }
    let instances = Paths.join(folder, "instances")
    return try pairedSources(
      images: images, masks: masks, instances: Folder.isFolder(instances) ? instances : nil)
  }

  package var classNamesPath: String? { classNamesFile(beside: images) }
}

/// The file `classes.json` in the folder that holds `images`, where there is one.
func classNamesFile(beside images: String) -> String? {
  let path = Paths.join(Paths.folder(of: images), "classes.json")
  return Paths.exists(path) ? path : nil
}

/// The samples of a folder of images and a folder of masks, matched by their stems, with the
/// instances of a third one where it is given.
func pairedSources(
  images: String, masks: String, instances: String? = nil
) throws -> [SampleSource] {
  let images = try imageFiles(in: images)
  var imageOf: [String: String] = [:]
  for image in images.sorted(by: Paths.precedes) {
    let stem = Paths.stem(image)
    if let other = imageOf.updateValue(image, forKey: stem) {
      throw FileError(
        .duplicateName, path: image, expected: "one image called \(stem)",
        found: "\(other) too", hint: "rename or remove one of them")
    }
  }
  let maskOf = try CompanionFiles.masks.files(in: masks, of: images, imageOf)
  let instancesOf = try instances.map {
    try CompanionFiles.instances.files(in: $0, of: images, imageOf)
  }
  return try images.flatMap { image in
    let stem = Paths.stem(image)
    return try SampleSource.pages(
      image: image, mask: maskOf[stem], instances: instancesOf?[stem])
  }
}

/// Files of which each image has one, called as the image is, and what messages say of them.
private struct CompanionFiles: Sendable {
  /// What a file may have behind the image's stem.
  let suffix: String?
  /// One file: "mask".
  let one: String
  /// What an image lacks, given its stem.
  let wanted: @Sendable (_ stem: String) -> String
  /// What to do with a file that has no image, and where an image has no file.
  let removal: String
  let remedy: String

  static let masks = CompanionFiles(
    suffix: "_mask", one: "mask", wanted: { "a mask called \($0) or \($0)_mask" },
    removal: "remove the mask", remedy: "add the mask or remove the image")

  static let instances = CompanionFiles(
    suffix: nil, one: "file of instances", wanted: { "instances called \($0)" },
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
      let own = Paths.stem(file)
      var name = own
      // An image that is itself called NAME_mask keeps the mask of that name.
      if let suffix, imageOf[own] == nil, own.hasSuffix(suffix) {
        name = String(own.dropLast(suffix.count))
      }
      guard imageOf[name] != nil else {
        throw FileError(
          .maskWithoutImage, path: file, expected: "an image called \(name)", found: "none",
          hint: "add the image or \(removal)")
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
