// What a layout has found, before anything is decoded.

package import Files

/// The values that the masks of a set have by what it says itself.
package struct KnownValues: Sendable, Equatable {
  /// The file that says so.
  let path: String
  var values: Set<MaskValue> = []
  /// What those are called that are classes.
  var names: [MaskValue: String] = [:]

  /// Refuses a mask of other values; `ignored` is of no class whatever the set says.
  ///
  /// - Throws: `FileError` naming the mask at `path`.
  func check(
    _ summary: MaskSummary, path: String, ignoring ignored: MaskValue?
  ) throws(FileError) {
    let stranger = summary.values.first {
      let value = MaskValue(packed: $0.value)
      return !values.contains(value) && value != ignored
    }
    guard let stranger else { return }
    let value = MaskValue(packed: stranger.value)
    throw FileError(
      .unknownValue, path: path,
      expected: "the values of \(self.path): "
        + values.sorted().map(\.description).joined(separator: ", "),
      found: "\(value) in \(stranger.pixels) \(stranger.pixels == 1 ? "pixel" : "pixels")",
      hint: "add it to the labels there, correct the mask, or keep it out with --ignore \(value)")
  }

  /// A line on classes that no mask has.
  func missing(among found: some Sequence<MaskValue>) -> String? {
    let missing = names.keys.filter { !found.contains($0) }.sorted()
    guard !missing.isEmpty else { return nil }
    let list = missing.map { "\(names[$0] ?? "") (\($0))" }.joined(separator: ", ")
    return "labels of \(path) that no mask has, hence no classes: \(list)"
  }
}

/// What a layout has found.
package struct FoundSamples: Sendable {
  /// The samples, in no particular order.
  var sources: [SampleSource]
  /// What the set calls the values of its masks.
  var classNames = ClassNameSource.given([:])
  /// The mask value that the set says is of no class.
  var ignored: MaskValue?
  /// The values that the set says its masks have, where it does.
  var knownValues: KnownValues?
  /// The folders that were searched; what else lies in them is passed over.
  var folders: [String]
  /// Files that were read for something else than samples.
  var otherFiles: [String] = []
  /// What a user is to know, a line each.
  var notes: [String] = []

  /// The names that are given to numbered objects and to what is around them.
  static let objectNames = ClassNameSource.given([
    MaskValue(grey: 0): "background", MaskValue(grey: 1): "object",
  ])

  /// Whether the objects of the images are numbered.
  package var hasInstances: Bool { sources.contains { $0.instances != nil } }

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

  /// The samples of a folder, or of images and masks given apart; nil when neither is given.
  ///
  /// - Throws: `FileError`, naming the file.
  package static func labelled(
    data: String?, images: String?, masks: String?, layout: LayoutChoice = .automatic
  ) throws -> FoundSamples? {
    if let data { return try folder(data, layout: layout) }
    if let images, let masks { return try pair(images: images, masks: masks) }
    return nil
  }

  /// The samples of a folder, or a table of them, in any layout that is known (see `DatasetLayouts`).
  ///
  /// - Throws: `FileError`, naming the file.
  package static func folder(
    _ path: String, layout: LayoutChoice = .automatic
  ) throws -> FoundSamples {
    try DatasetLayouts.found(at: path, layout)
  }

  /// The samples of two folders, of two stacks with equally many pages, or of two single files.
  ///
  /// Folders are matched as those of ``ImagesAndMasksLayout``; two files belong together whatever
  /// their names.
  ///
  /// - Throws: `FileError`, naming the file.
  package static func pair(images: String, masks: String) throws -> FoundSamples {
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
    let pairs =
      try isFolder
      ? PairedSources(images: images, masks: masks)
      : PairedSources(sources: SampleSource.pages(image: [images], mask: masks))
    var found = FoundSamples(
      sources: pairs.sources, classNames: ClassNameSource(in: Paths.folder(of: images)),
      folders: isFolder ? [images, masks] : [], notes: pairs.notes)
    if let rest = found.passedOver { found.notes.append("\(images), \(masks): passed over \(rest)") }
    return found
  }
}
