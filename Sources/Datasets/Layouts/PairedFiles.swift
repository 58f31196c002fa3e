// Which mask belongs to which image, by the names of their files.

import Files
import Imaging

/// The samples of folders whose files were matched, and what is to be said of them.
struct PairedSources {
  var sources: [SampleSource]
  var notes: [String] = []
}

extension PairedSources {
  /// The samples of a folder of images and a folder of masks, matched by their stems, with the
  /// instances of a third one where it is given.
  ///
  /// Files `a_0000`, `a_0001`, ... are the channels of the image `a` where masks are called so.
  ///
  /// - Throws: `FileError` for an image without a mask or with two, or a mask without an image.
  init(images: String, masks: String, instances: String? = nil) throws {
    let (files, maskFiles) = (try imageFiles(in: images), try imageFiles(in: masks))
    let channels = try Self.channels(files, masks: maskFiles)
    let named = try channels ?? NamedImages(files)
    let maskOf = try CompanionFiles.masks.files(maskFiles, in: masks, of: named)
    let instancesOf = try instances.map {
      try CompanionFiles.instances.files(imageFiles(in: $0), in: $0, of: named)
    }
    sources = try named.names.flatMap { name in
      try SampleSource.pages(
        named: name, image: named.files[name] ?? [], mask: maskOf[name],
        instances: instancesOf?[name])
    }
    if let channels, let count = channels.files.values.first?.count {
      let images = channels.files.count == 1 ? "1 image" : "\(channels.files.count) images"
      notes.append(
        "\(Paths.folder(of: files[0])): \(images) of \(count) \(count == 1 ? "file" : "files") each, "
          + "NAME_0000 and on, one a channel")
    }
  }

  /// The images of which files are the channels, or nil where files are images of their own.
  ///
  /// Masks tell: frames of a film are called so too, and each has its own.
  private static func channels(_ files: [String], masks: [String]) throws -> NamedImages? {
    guard let channels = ChannelFiles(files) else { return nil }
    let frames = try NamedImages(files)
    let images = NamedImages(
      files: Dictionary(uniqueKeysWithValues: channels.names.map { ($0, []) }))
    let candidates = masks.map { MaskNames.inFolder(Paths.stem($0)) }
    guard candidates.allSatisfy({ frames.name(of: $0) == nil }),
      candidates.contains(where: { images.name(of: $0) != nil })
    else { return nil }
    return NamedImages(
      files: Dictionary(uniqueKeysWithValues: try channels.complete().map { ($0.name, $0.files) }))
  }

  /// The samples of a folder in which masks lie beside their images.
  ///
  /// - Parameter candidates: the stems of images that a mask may belong to, given its own.
  /// - Throws: `FileError` for an image without a mask or with two, or a mask without an image.
  init(
    beside contents: FolderContents, _ candidates: (_ stem: String) -> [String]
  ) throws {
    let files = contents.imageNames.map(contents.place)
    let all = NamedImages(files: Dictionary(grouping: files, by: Paths.stem))
    // What masks there may be of each file; one that has its own is an image, where the image that it would be the
    // mask of has another: `liver-seg` beside `liver`, `liver_mask` and `liver-seg_mask`.
    let masksOf = Dictionary(grouping: files) { all.name(of: candidates(Paths.stem($0))) }
    func isMask(_ file: String) -> Bool {
      guard let image = all.name(of: candidates(Paths.stem(file))) else { return false }
      return masksOf[Paths.stem(file)] == nil || masksOf[image] == [file]
    }
    let images = try NamedImages(files.filter { !isMask($0) })
    notes += images.names.compactMap { name in
      guard let other = all.name(of: candidates(name)), let file = images.files[name]?.first else {
        return nil
      }
      return "\(file): taken for an image, as it has a mask of its own, and \(other) has another"
    }
    var maskOf: [String: String] = [:]
    for mask in files where isMask(mask) {
      // A mask's own mask is no image.
      let candidates = candidates(Paths.stem(mask))
      guard let name = images.name(of: candidates) else {
        throw maskWithoutImage(mask, called: candidates.prefix(2), images)
      }
      if let other = maskOf.updateValue(mask, forKey: name) {
        throw twoMasks("mask", mask, other, name)
      }
    }
    sources = try images.names.flatMap { name in
      let files = images.files[name] ?? []
      guard let mask = maskOf[name] else {
        let candidates = candidates(name)
        if !candidates.isEmpty {
          throw maskWithoutImage(files[0], called: candidates.prefix(2), images)
        }
        throw FileError(
          .imageWithoutMask, path: files[0], expected: "a mask beside it", found: "none",
          hint: "add the mask or remove the image")
      }
      return try SampleSource.pages(image: files, mask: mask)
    }
  }

  /// Whether some file of a folder is the mask of another one.
  static func hasMasksBesideImages(
    _ contents: FolderContents, _ candidates: (_ stem: String) -> [String]
  ) -> Bool {
    let names = contents.imageNames
    let all = NamedImages(files: Dictionary(grouping: names, by: Paths.stem))
    return all.names.contains { all.name(of: candidates($0)) != nil }
  }
}

/// The image files of a folder, in no particular order; hidden files and folders do not count.
///
/// - Throws: `FileError` where there is none.
func imageFiles(in folder: String) throws -> [String] {
  try imageFiles(of: FolderContents(path: folder))
}

/// The image files among the contents of a folder.
///
/// - Throws: `FileError` where there is none.
func imageFiles(of contents: FolderContents) throws(FileError) -> [String] {
  guard !contents.imageNames.isEmpty else {
    let isEmpty = contents.files.isEmpty && contents.folders.isEmpty
    throw FileError(
      .noImages, path: contents.path, expected: "\(ImageFile.kinds) files",
      found: isEmpty ? "none" : "none, but \(contents.summary)",
      hint: "hidden files and folders below it do not count")
  }
  return contents.imageNames.map(contents.place)
}

private func maskWithoutImage(
  _ mask: String, called names: some Sequence<String>, _ images: NamedImages,
  removal: String = "remove the mask"
) -> FileError {
  let names = Array(names)
  return FileError(
    .maskWithoutImage, path: mask,
    expected: "an image called \(names.joined(separator: " or "))",
    found: images.found(insteadOf: names), hint: "add the image or \(removal)")
}

private func twoMasks(
  _ what: String, _ first: String, _ second: String, _ image: String
) -> FileError {
  FileError(
    .twoMasks, path: first, expected: "one \(what) for the image \(image)",
    found: "\(second) too", hint: "remove one of them")
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

  /// The file of each image, by the image's name.
  ///
  /// - Throws: `FileError` for a file without an image, and an image with two files or none.
  func files(
    _ files: [String], in folder: String, of images: NamedImages
  ) throws -> [String: String] {
    var result: [String: String] = [:]
    for file in files.sorted(by: Paths.precedes) {
      let candidates = candidates(Paths.stem(file))
      guard let name = images.name(of: candidates) else {
        let shortest = candidates.min { $0.count < $1.count }
        throw maskWithoutImage(
          file, called: [shortest].compactMap(\.self), images, removal: removal)
      }
      if let other = result.updateValue(file, forKey: name) {
        throw twoMasks(one, file, other, name)
      }
    }
    for name in images.names where result[name] == nil {
      throw FileError(
        .imageWithoutMask, path: images.files[name]?.first ?? name,
        expected: "\(wanted(name)) in \(folder)", found: "none", hint: remedy)
    }
    return result
  }
}
