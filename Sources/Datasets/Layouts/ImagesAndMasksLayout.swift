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
  let pairs = try matched(
    images: imageFiles(in: images), masks: imageFiles(in: masks), folder: masks)
  let instancesOf = try instances.map { try instanceFiles(in: $0, of: pairs.map(\.image)) }
  return try pairs.flatMap { pair in
    try SampleSource.pages(
      image: pair.image, mask: pair.mask, instances: instancesOf?[Paths.stem(pair.image)])
  }
}

/// The files of a folder of instances by the stems of the images, one for each.
private func instanceFiles(in folder: String, of images: [String]) throws -> [String: String] {
  let imageOf = Dictionary(uniqueKeysWithValues: images.map { (Paths.stem($0), $0) })
  var result: [String: String] = [:]
  for file in try imageFiles(in: folder).sorted(by: Paths.precedes) {
    let stem = Paths.stem(file)
    guard imageOf[stem] != nil else {
      throw FileError(
        .maskWithoutImage, path: file, expected: "an image called \(stem)", found: "none",
        hint: "add the image or remove its instances")
    }
    if let other = result.updateValue(file, forKey: stem) {
      throw FileError(
        .twoMasks, path: file, expected: "one file of instances for the image \(stem)",
        found: "\(other) too", hint: "remove one of them")
    }
  }
  for image in images where result[Paths.stem(image)] == nil {
    throw FileError(
      .imageWithoutMask, path: image,
      expected: "instances called \(Paths.stem(image)) in \(folder)", found: "none",
      hint: "number the objects of every image, or remove the folder")
  }
  return result
}

/// Pairs images and masks by their stems.
private func matched(
  images: [String], masks: [String], folder: String
) throws -> [(image: String, mask: String)] {
  var imageOf: [String: String] = [:]
  for image in images.sorted(by: Paths.precedes) {
    let stem = Paths.stem(image)
    if let other = imageOf.updateValue(image, forKey: stem) {
      throw FileError(
        .duplicateName, path: image, expected: "one image called \(stem)",
        found: "\(other) too", hint: "rename or remove one of them")
    }
  }
  var maskOf: [String: String] = [:]
  for mask in masks.sorted(by: Paths.precedes) {
    let own = Paths.stem(mask)
    let suffix = "_mask"
    // An image that is itself called NAME_mask keeps the mask of that name.
    let name =
      imageOf[own] == nil && own.hasSuffix(suffix) ? String(own.dropLast(suffix.count)) : own
    guard imageOf[name] != nil else {
      throw FileError(
        .maskWithoutImage, path: mask, expected: "an image called \(name)", found: "none",
        hint: "add the image or remove the mask")
    }
    if let other = maskOf.updateValue(mask, forKey: name) {
      throw FileError(
        .twoMasks, path: mask, expected: "one mask for the image \(name)",
        found: "\(other) too", hint: "remove one of them")
    }
  }
  return try images.map { image in
    let stem = Paths.stem(image)
    guard let mask = maskOf[stem] else {
      throw FileError(
        .imageWithoutMask, path: image,
        expected: "a mask called \(stem) or \(stem)_mask in \(folder)",
        found: "none", hint: "add the mask or remove the image")
    }
    return (image, mask)
  }
}
