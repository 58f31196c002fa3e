// The list of samples of a data set: which image belongs to which mask, in a fixed order.

import Files
import Foundation
import Imaging

/// The samples of a data set, sorted by the bytes of their names, with their files.
///
/// The order does not depend on the file system or the locale, so every rank that sees the same
/// files gives every sample the same id.
package struct SampleIndex: Sendable, Equatable {
  /// The size of an image as stored.
  package struct Size: Sendable, Equatable, CustomStringConvertible {
    /// Columns.
    package let width: Int
    /// Rows.
    package let height: Int
    /// Samples a pixel.
    package let channels: Int

    /// Width x height x channels.
    package var description: String { "\(width)x\(height)x\(channels)" }
  }

  /// One sample: an image, and its mask where there is one.
  package struct Entry: Sendable, Equatable {
    /// The position in `entries`.
    package let id: Int
    /// The file's stem; pages of a stack are called `STEM-0001`, `STEM-0002`, ...
    package let name: String
    /// The image's file.
    package let imagePath: String
    /// The image's page in its file, from 0.
    package let imagePage: Int
    /// The mask's file; nil in an index made for prediction.
    package let maskPath: String?
    /// The mask's page in its file, from 0.
    package let maskPage: Int
    /// The image's size; nil in an index made for prediction, which decodes nothing.
    package let size: Size?
  }

  /// The samples; a sample's id is its position here.
  package let entries: [Entry]
  /// The file of class names beside the images, where there is one.
  package let classNamesPath: String?

  /// The channels of every image; nil in an index made for prediction.
  package var channels: Int? { entries.first?.size?.channels }

  /// One line a sample, `NAME WIDTHxHEIGHTxCHANNELS`: equal on two ranks that see the same set.
  package var listing: [String] {
    entries.map { entry in
      guard let size = entry.size else { return entry.name }
      return "\(entry.name) \(size)"
    }
  }

  // MARK: - Finding

  /// The samples of a folder, or of images and masks given apart; nil when neither is given.
  package static func labelled(data: String?, images: String?, masks: String?) throws
    -> SampleIndex?
  {
    if let data { return try folder(data) }
    if let images, let masks { return try pair(images: images, masks: masks) }
    return nil
  }

  /// The samples of a folder that holds `images/` (or `imgs/`) and `masks/`.
  ///
  /// A mask has the stem of its image, or that stem followed by `_mask`; the extensions may
  /// differ. Every page of a multi-page TIFF is a sample. Hidden files, files that are no images
  /// and folders are passed over. Every file is decoded once, to know that it can be and that the
  /// sizes agree.
  ///
  /// - Throws: `FileError`, naming the file.
  package static func folder(_ path: String) throws -> SampleIndex {
    guard isFolder(path) else {
      throw FileError(
        .missing, path: path, expected: "a folder with images/ and masks/",
        found: existing(path), hint: "check the path")
    }
    let candidates = ["images", "imgs"].map { join(path, $0) }
    guard let images = candidates.first(where: isFolder) else {
      throw FileError(
        .missing, path: path, expected: "a folder images/ (or imgs/) in it", found: "none",
        hint: "put the images into images/ and the masks into masks/, or name both folders")
    }
    let masks = join(path, "masks")
    guard isFolder(masks) else {
      throw FileError(
        .missing, path: path, expected: "a folder masks/ in it", found: "none",
        hint: "put the masks into masks/, each with the name of its image")
    }
    return try pair(images: images, masks: masks)
  }

  /// The samples of two folders, of two stacks with equally many pages, or of two single files.
  ///
  /// Folders are matched as in `folder(_:)`; two files belong together whatever their names.
  ///
  /// - Throws: `FileError`, naming the file.
  package static func pair(images: String, masks: String) throws -> SampleIndex {
    for path in [images, masks] where !exists(path) {
      throw FileError(
        .missing, path: path, expected: "a folder or an image file", found: "nothing",
        hint: "check the path")
    }
    guard isFolder(images) == isFolder(masks) else {
      throw FileError(
        .mixedSources, path: masks,
        expected: isFolder(images) ? "a folder, as \(images) is" : "a file, as \(images) is",
        found: existing(masks), hint: "give two folders, or two image files")
    }
    let files =
      isFolder(images)
      ? try matched(images: imageFiles(in: images), masks: imageFiles(in: masks), folder: masks)
      : [(image: images, mask: masks)]
    var sources: [Source] = []
    for file in files {
      sources += try pages(image: file.image, mask: file.mask)
    }
    let names = join((images as NSString).deletingLastPathComponent, "classes.json")
    return SampleIndex(
      entries: try measured(sorted(sources)), classNamesPath: exists(names) ? names : nil)
  }

  /// Images without masks, for prediction: files, stacks, and folders of them.
  ///
  /// A folder stands for the image files in it (not in folders below it). Nothing is decoded yet,
  /// so sizes are unknown and may differ.
  ///
  /// - Throws: `FileError` for a missing path, for no image at all and for two outputs of one
  ///   name; `FileError` for a file that cannot be opened.
  package static func images(_ paths: [String]) throws -> SampleIndex {
    var sources: [Source] = []
    for path in paths {
      guard exists(path) else {
        throw FileError(
          .missing, path: path, expected: "an image file or a folder of them", found: "nothing",
          hint: "check the path")
      }
      for file in isFolder(path) ? try imageFiles(in: path) : [path] {
        sources += try pages(image: file, mask: nil)
      }
    }
    guard !sources.isEmpty else {
      throw FileError(
        .noImages, path: paths.first ?? "the list of images", expected: "at least one image",
        found: "none", hint: "name PNG, TIFF or JPEG files, or folders of them")
    }
    let entries = try sorted(sources).enumerated().map { Entry($1, id: $0, size: nil) }
    return SampleIndex(entries: entries, classNamesPath: nil)
  }

  // MARK: - Matching

  /// A sample before it has an id and a size.
  fileprivate struct Source {
    let name: String
    let imagePath: String
    let maskPath: String?
    let page: Int
  }

  /// The image files of a folder, in no particular order.
  private static func imageFiles(in folder: String) throws -> [String] {
    let files = try Folder.names(in: folder).map { join(folder, $0) }
      .filter { ImageFile.isImage($0) && !isFolder($0) }
    guard !files.isEmpty else {
      throw FileError(
        .noImages, path: folder, expected: "PNG, TIFF or JPEG files", found: "none",
        hint: "hidden files and folders below it do not count")
    }
    return files
  }

  /// Pairs images and masks by their stems.
  private static func matched(
    images: [String], masks: [String], folder: String
  ) throws -> [(image: String, mask: String)] {
    var imageOf: [String: String] = [:]
    for image in images.sorted(by: precedes) {
      if let other = imageOf.updateValue(image, forKey: stem(image)) {
        throw FileError(
          .duplicateName, path: image, expected: "one image called \(stem(image))",
          found: "\(other) too", hint: "rename or remove one of them")
      }
    }
    var maskOf: [String: String] = [:]
    for mask in masks.sorted(by: precedes) {
      let own = stem(mask)
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
      guard let mask = maskOf[stem(image)] else {
        throw FileError(
          .imageWithoutMask, path: image,
          expected: "a mask called \(stem(image)) or \(stem(image))_mask in \(folder)",
          found: "none", hint: "add the mask or remove the image")
      }
      return (image, mask)
    }
  }

  /// The samples of one image file, one a page.
  private static func pages(image: String, mask: String?) throws -> [Source] {
    let count = try ImageFile.pageCount(image)
    if let mask {
      let maskCount = try ImageFile.pageCount(mask)
      guard maskCount == count else {
        throw FileError(
          .pageCountsDiffer, path: mask, expected: "\(count) pages, as in \(image)",
          found: "\(maskCount)", hint: "give each page of the image one page of the mask")
      }
    }
    return (0..<count).map { page in
      let digits = String(page + 1)
      let padding = String(repeating: "0", count: max(0, 4 - digits.count))
      let name = count == 1 ? stem(image) : "\(stem(image))-\(padding)\(digits)"
      return Source(name: name, imagePath: image, maskPath: mask, page: page)
    }
  }

  /// Sorts by the bytes of the names and refuses two of one name.
  private static func sorted(_ sources: [Source]) throws -> [Source] {
    let sorted = sources.sorted { precedes($0.name, $1.name) }
    for (first, second) in zip(sorted, sorted.dropFirst()) where first.name == second.name {
      throw FileError(
        .duplicateName, path: second.imagePath, expected: "one sample called \(second.name)",
        found: "\(first.imagePath) too", hint: "rename one of the files")
    }
    return sorted
  }

  /// Decodes everything once, to know the sizes and to compare them.
  private static func measured(_ sources: [Source]) throws -> [Entry] {
    var entries: [Entry] = []
    for source in sources {
      let image = try ImageFile.read(source.imagePath, page: source.page)
      let size = Size(width: image.width, height: image.height, channels: image.channels)
      if let maskPath = source.maskPath {
        let mask = try ImageFile.read(maskPath, page: source.page)
        guard mask.width == size.width && mask.height == size.height else {
          throw FileError(
            .sizesDiffer, path: maskPath + pageNote(source),
            expected: "\(size.width)x\(size.height), as \(source.imagePath)",
            found: "\(mask.width)x\(mask.height)", hint: "a mask has the size of its image")
        }
      }
      if let first = entries.first, let channels = first.size?.channels, channels != size.channels {
        throw FileError(
          .channelsDiffer, path: source.imagePath + pageNote(source),
          expected: "\(kind(channels)), as \(first.imagePath)", found: kind(size.channels),
          hint: "convert the images of a set to one kind")
      }
      entries.append(Entry(source, id: entries.count, size: size))
    }
    return entries
  }

  /// What an image of so many channels is called in messages.
  static func kind(_ channels: Int) -> String {
    channels == 1 ? "a grey image (1 channel)" : "an RGB image (\(channels) channels)"
  }

  private static func pageNote(_ source: Source) -> String {
    source.page == 0 ? "" : " page \(source.page + 1)"
  }

  // MARK: - Paths

  private static func precedes(_ first: String, _ second: String) -> Bool {
    first.utf8.lexicographicallyPrecedes(second.utf8)
  }

  private static func stem(_ path: String) -> String {
    ((path as NSString).lastPathComponent as NSString).deletingPathExtension
  }

  private static func join(_ folder: String, _ name: String) -> String {
    (folder as NSString).appendingPathComponent(name)
  }

  private static func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path)
  }

  private static func existing(_ path: String) -> String {
    exists(path) ? (isFolder(path) ? "a folder" : "a file") : "nothing"
  }

  private static func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && isFolder.boolValue
  }
}

extension SampleIndex.Entry {
  fileprivate init(_ source: SampleIndex.Source, id: Int, size: SampleIndex.Size?) {
    self.init(
      id: id, name: source.name, imagePath: source.imagePath, imagePage: source.page,
      maskPath: source.maskPath, maskPage: source.page, size: size)
  }
}
