// The list of samples of a data set: which image belongs to which mask, in a fixed order.

package import Files
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
    /// The file that numbers the image's objects, and the page in it; nil where there is none.
    let instances: InstanceFile?
    /// The image's size as it is used; nil in an index made for prediction, which decodes nothing.
    ///
    /// Its channels are those of the set, which the stored ones become by ``ImageChannels``.
    package fileprivate(set) var size: Size?
    /// The channels that it may have; nil in an index made for prediction.
    package let channels: ImageChannels?
  }

  /// The samples; a sample's id is its position here.
  package private(set) var entries: [Entry]
  /// The file of class names beside the images, where there is one.
  package let classNamesPath: String?
  /// What a user is to know of the images, a line each.
  package private(set) var remarks: [String] = []

  /// The channels of every image; nil in an index made for prediction.
  package var channels: Int? { entries.first?.size?.channels }

  /// Whether the objects of the images are numbered.
  package var hasInstances: Bool { entries.contains { $0.instances != nil } }

  /// One line a sample, `NAME WIDTHxHEIGHTxCHANNELS`: equal on two ranks that see the same set.
  package var listing: [String] {
    entries.map { entry in entry.size.map { "\(entry.name) \($0)" } ?? entry.name }
  }

  /// The names of the samples whose objects are numbered.
  package var instanceListing: [String] {
    entries.filter { $0.instances != nil }.map { "instances \($0.name)" }
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

  /// The samples of a folder in any layout that is known (see `DatasetLayouts`).
  ///
  /// Every file is decoded once, to know that it can be and that the sizes agree.
  ///
  /// - Throws: `FileError`, naming the file.
  package static func folder(_ path: String) throws -> SampleIndex {
    let layout = try DatasetLayouts.recognized(path)
    return try SampleIndex(
      measuring: sorted(layout.sources()), classNamesPath: layout.classNamesPath)
  }

  /// The samples of two folders, of two stacks with equally many pages, or of two single files.
  ///
  /// Folders are matched as those of ``ImagesAndMasksLayout``; two files belong together whatever
  /// their names.
  ///
  /// - Throws: `FileError`, naming the file.
  package static func pair(images: String, masks: String) throws -> SampleIndex {
    for path in [images, masks] where !Paths.exists(path) {
      throw FileError(
        .missing, path: path, expected: "a folder or an image file", found: "nothing",
        hint: "check the path")
    }
    let isFolder = Folder.isFolder(images)
    guard isFolder == Folder.isFolder(masks) else {
      throw FileError(
        .mixedSources, path: masks,
        expected: isFolder ? "a folder, as \(images) is" : "a file, as \(images) is",
        found: Paths.existing(masks), hint: "give two folders, or two image files")
    }
    let sources =
      try isFolder
      ? pairedSources(images: images, masks: masks)
      : SampleSource.pages(image: images, mask: masks)
    return try SampleIndex(
      measuring: sorted(sources), classNamesPath: classNamesFile(beside: images))
  }

  /// Images without masks, for prediction: files, stacks, and folders of them.
  ///
  /// A folder stands for the image files in it (not in folders below it). Nothing is decoded yet,
  /// so sizes are unknown and may differ.
  ///
  /// - Throws: `FileError` for a missing path, for no image at all, for two outputs of one name and
  ///   for a file that cannot be opened.
  package static func images(_ paths: [String]) throws -> SampleIndex {
    var sources: [SampleSource] = []
    for path in paths {
      guard Paths.exists(path) else {
        throw FileError(
          .missing, path: path, expected: "an image file or a folder of them", found: "nothing",
          hint: "check the path")
      }
      for file in Folder.isFolder(path) ? try imageFiles(in: path) : [path] {
        sources += try SampleSource.pages(image: file, mask: nil)
      }
    }
    guard !sources.isEmpty else {
      throw FileError(
        .noImages, path: paths.first ?? "the list of images", expected: "at least one image",
        found: "none", hint: "name image files (\(ImageFile.kinds)), or folders of them")
    }
    let entries = try sorted(sources).enumerated().map { Entry($1, id: $0, size: nil) }
    return SampleIndex(entries: entries, classNamesPath: nil)
  }

  /// Refuses a set whose objects are not numbered; `path` is where it lies.
  ///
  /// - Throws: `FileError`.
  package func requireInstances(path: String) throws(FileError) {
    guard hasInstances else {
      throw FileError(
        .missing, path: path, expected: "a folder instances/ in it, for --instance-borders",
        found: "none", hint: "number the objects of each image there, or leave out the option")
    }
  }

  // MARK: - What all layouts share

  /// Sorts by the bytes of the names and refuses two of one name.
  private static func sorted(_ sources: [SampleSource]) throws -> [SampleSource] {
    let sorted = sources.sorted { Paths.precedes($0.name, $1.name) }
    for (first, second) in zip(sorted, sorted.dropFirst()) where first.name == second.name {
      throw FileError(
        .duplicateName, path: second.imagePath, expected: "one sample called \(second.name)",
        found: "\(first.imagePath) too", hint: "rename one of the files")
    }
    return sorted
  }

  private init(entries: [Entry], classNamesPath: String?) {
    self.entries = entries
    self.classNamesPath = classNamesPath
  }

  private init(measuring sources: [SampleSource], classNamesPath: String?) throws {
    let measured = try Self.measured(sources)
    self.init(entries: measured.entries, classNamesPath: classNamesPath)
    remarks = measured.remarks
    if let line = try passedOver() { remarks.append(line) }
  }

  /// The index with its images in `channels`, or nil where one of them cannot have them.
  package func adapted(to channels: Int) -> SampleIndex? {
    var result = self
    for (id, entry) in entries.enumerated() {
      guard let size = entry.size, entry.channels?.canBe(channels) == true else { return nil }
      result.entries[id].size = Size(width: size.width, height: size.height, channels: channels)
    }
    return result
  }

  /// Decodes everything once, to know the sizes and to compare them.
  private static func measured(
    _ sources: [SampleSource]
  ) throws -> (entries: [Entry], remarks: [String]) {
    var entries: [Entry] = []
    var alphaCount = 0
    for source in sources {
      let image = try ImageFile.read(source.imagePath, page: source.page)
      let size = Size(width: image.width, height: image.height, channels: image.channels)
      if image.hasLostAlpha { alphaCount += 1 }
      if let maskPath = source.maskPath {
        let mask = try ImageFile.read(maskPath, page: source.page, as: .mask)
        guard mask.width == size.width && mask.height == size.height else {
          throw FileError(
            .sizesDiffer, path: maskPath + pageNote(source),
            expected: "\(size.width)x\(size.height), as \(source.imagePath)",
            found: "\(mask.width)x\(mask.height)", hint: "a mask has the size of its image")
        }
      }
      let channels = ImageChannels(image)
      if let first = entries.first, let other = first.channels, !channels.goes(with: other) {
        throw FileError(
          .channelsDiffer, path: source.imagePath + pageNote(source),
          expected: "\(kind(other.stored)), as \(first.imagePath)", found: kind(size.channels),
          hint: "convert the images of a set to one kind")
      }
      entries.append(Entry(source, id: entries.count, size: size, channels: channels))
    }
    let (common, remark) = ImageChannels.reconciled(entries.compactMap(\.channels))
    for id in entries.indices {
      guard let size = entries[id].size else { continue }
      entries[id].size = Size(width: size.width, height: size.height, channels: common)
    }
    let alpha =
      alphaCount == 0
      ? nil
      : "\(alphaCount) of the \(entries.count) images \(alphaCount == 1 ? "has" : "have") alpha, which is "
        + "left out"
    return (entries, [remark, alpha].compactMap(\.self))
  }

  /// What an image of so many channels is called in messages.
  static func kind(_ channels: Int) -> String {
    switch channels {
    case 1: "a grey image (1 channel)"
    case 3: "an RGB image (3 channels)"
    default: "an image of \(channels) channels"
    }
  }

  private static func pageNote(_ source: SampleSource) -> String {
    source.page == 0 ? "" : " page \(source.page + 1)"
  }
}

extension SampleIndex.Entry {
  fileprivate init(
    _ source: SampleSource, id: Int, size: SampleIndex.Size?, channels: ImageChannels? = nil
  ) {
    self.init(
      id: id, name: source.name, imagePath: source.imagePath, imagePage: source.page,
      maskPath: source.maskPath, maskPage: source.page,
      instances: source.instancesPath.map { InstanceFile(path: $0, page: source.page) }, size: size,
      channels: channels)
  }
}
