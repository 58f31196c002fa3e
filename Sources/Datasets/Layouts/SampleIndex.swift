// The list of samples of a data set: which image belongs to which mask, in a fixed order.

package import Files
package import Imaging

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
    /// Where it is read from.
    package let source: SampleSource
    /// The image's size as it is used; nil in an index made for prediction, which decodes nothing.
    ///
    /// Its channels are those of the set, which the stored ones become by ``ImageChannels``.
    package fileprivate(set) var size: Size?
    /// The channels that it may have; nil in an index made for prediction.
    package var channels: ImageChannels?
    /// The pixels that several of its objects have, where each has a file of its own.
    var overlapCount = 0

    /// The file's stem; pages of a stack are called `STEM-0001`, `STEM-0002`, ...
    package var name: String { source.name }
    /// The image's file, or that of its first channel.
    package var imagePath: String { source.image.first.path }
    /// The image's page in its file, from 0.
    package var imagePage: Int { source.image.first.page }
    /// The mask's file; nil in an index made for prediction.
    package var maskPath: String? { source.mask?.first.path }
    /// The mask's page in its file, from 0.
    package var maskPage: Int { source.mask?.first.page ?? 0 }
    /// Where the image's objects are numbered; nil where they are not.
    var instances: InstanceSource? { source.instances }

    /// The image, in the channels of the set where it can have them.
    ///
    /// - Throws: `FileError` for a file that cannot be decoded.
    package func image() throws(FileError) -> Image {
      let stored = try source.image.read()
      return size.flatMap { stored.adapted(to: $0.channels) } ?? stored
    }
  }

  /// The samples; a sample's id is its position here.
  package private(set) var entries: [Entry]
  /// What the set calls the values of its masks.
  package let classNames: ClassNameSource
  /// The mask value that the set says is of no class.
  package let ignored: MaskValue?
  /// What was recognised, guessed and passed over, a line each.
  package let notes: [String]
  /// What was made alike or left out of the images, a line each.
  package private(set) var remarks: [String] = []
  /// The files that were passed over because they cannot be opened; of an index made for prediction.
  package private(set) var unreadable: [UnreadableFile] = []

  /// The channels of every image; nil in an index made for prediction.
  package var channels: Int? { entries.first?.size?.channels }

  /// Whether the objects of the images are numbered.
  package var hasInstances: Bool { entries.contains { $0.instances != nil } }

  /// What the set itself says that each sample is for; empty unless it names some for either part.
  package var parts: [SamplePart?] {
    let parts = entries.map(\.source.part)
    return parts.contains(.training) && parts.contains(.validation) ? parts : []
  }

  /// One line a sample, `NAME WIDTHxHEIGHTxCHANNELS`: equal on two ranks that see the same set.
  package var listing: [String] {
    entries.map { entry in entry.size.map { "\(entry.name) \($0)" } ?? entry.name }
  }

  /// The names of the samples whose objects are numbered.
  package var instanceListing: [String] {
    entries.filter { $0.instances != nil }.map { "instances \($0.name)" }
  }

  private init(_ found: FoundSamples) throws {
    let (entries, remarks) = try Self.measured(Self.sorted(found.sources))
    (self.entries, self.remarks) = (entries, remarks)
    classNames = found.classNames
    ignored = found.ignored
    let overlap = entries.reduce(0) { $0 + $1.overlapCount }
    notes =
      found.notes
      + (overlap == 0
        ? [] : ["pixels of several objects, each taken for the first one's: \(overlap)"])
  }

  // MARK: - Finding

  /// The samples of a folder, or of images and masks given apart; nil when neither is given.
  package static func labelled(
    data: String?, images: String?, masks: String?, layout: LayoutChoice = .automatic
  ) throws -> SampleIndex? {
    if let data { return try folder(data, layout: layout) }
    if let images, let masks { return try pair(images: images, masks: masks) }
    return nil
  }

  /// The samples of a folder, or a table of them, in any layout that is known (see `DatasetLayouts`).
  ///
  /// Every file is decoded once, to know that it can be and that the sizes agree.
  ///
  /// - Throws: `FileError`, naming the file.
  package static func folder(
    _ path: String, layout: LayoutChoice = .automatic
  ) throws -> SampleIndex {
    try SampleIndex(DatasetLayouts.found(at: path, layout))
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
      : SampleSource.pages(image: [images], mask: masks)
    return try SampleIndex(
      FoundSamples(
        sources: sources, classNames: ClassNameSource(in: Paths.folder(of: images)), folders: []))
  }

  /// An index made for prediction.
  init(images: [SampleSource], notes: [String], unreadable: [UnreadableFile]) throws {
    entries = try Self.sorted(images).enumerated().map { Entry(id: $0, source: $1, size: nil) }
    (classNames, ignored) = (.given([:]), nil)
    (self.notes, self.unreadable) = (notes, unreadable)
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
        .duplicateName, path: second.image.first.path,
        expected: "one sample called \(second.name)", found: "\(first.image.first.path) too",
        hint: "rename one of the files")
    }
    return sorted
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
      let image = try source.image.read()
      let size = Size(width: image.width, height: image.height, channels: image.channels)
      if image.hasLostAlpha { alphaCount += 1 }
      var overlapCount = 0
      if let mask = source.mask {
        try refuseOwnFile(mask, of: source)
        let read = try mask.read()
        overlapCount = read.overlapCount
        guard read.image.width == size.width && read.image.height == size.height else {
          throw FileError(
            .sizesDiffer, path: mask.first.description,
            expected: "\(size.width)x\(size.height), as \(source.image.first.path)",
            found: "\(read.image.width)x\(read.image.height)",
            hint: "a mask has the size of its image")
        }
      }
      let channels = ImageChannels(image)
      if let first = entries.first, let other = first.channels, !channels.goes(with: other) {
        throw FileError(
          .channelsDiffer, path: source.image.first.description,
          expected: "\(kind(other.stored)), as \(first.imagePath)", found: kind(size.channels),
          hint: "convert the images of a set to one kind")
      }
      entries.append(
        Entry(
          id: entries.count, source: source, size: size, channels: channels,
          overlapCount: overlapCount))
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

  /// Refuses an image that would be its own mask.
  private static func refuseOwnFile(
    _ mask: MaskSource, of source: SampleSource
  ) throws(FileError) {
    for file in mask.paths
    where source.image.channels.contains(where: { Paths.areSame($0.path, file) }) {
      throw FileError(
        .mixedSources, path: file, expected: "a mask for \(source.name)", found: "the image itself",
        hint: "where masks lie beside their images, give --data FOLDER")
    }
  }

  /// What an image of so many channels is called in messages.
  static func kind(_ channels: Int) -> String {
    switch channels {
    case 1: "a grey image (1 channel)"
    case 3: "an RGB image (3 channels)"
    default: "an image of \(channels) channels"
    }
  }
}
