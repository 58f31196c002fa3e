// What a layout has found, before anything is decoded.

package import Files

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
  /// What the set keeps for tests, which ``part(_:path:)`` takes.
  var test: TestSamples?

  /// The samples that a set keeps for tests: they need not be there, or whole, before somebody asks for them.
  struct TestSamples: Sendable {
    /// Where they lie.
    let path: String
    /// What is said where they are not taken.
    let note: String
    /// Finds them.
    let find: @Sendable () throws -> FoundSamples
  }

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

  /// Refuses a set without a sample to train on; `path` is where it lies.
  ///
  /// - Throws: `FileError`.
  package func requireSamples(path: String) throws(FileError) {
    guard sources.isEmpty else { return }
    throw FileError(
      .noImages, path: path, expected: "samples to train on",
      found: test == nil ? "none" : "samples for tests alone",
      hint: test == nil
        ? "add some" : "evaluate scores those; name others as train, or leave their split out")
  }

  /// Those of one part, or without a part those that a trained network is to be scored on: what is kept for
  /// tests, or all where nothing is.
  ///
  /// - Parameter path: where the set lies, for messages.
  /// - Throws: `FileError` where the set does not say that it has such a part, and for what is wrong with the
  ///   samples for tests.
  package func part(_ part: SamplePart?, path: String) throws -> FoundSamples {
    var result = self
    switch part {
    case nil where test == nil:
      if let line = partsLine { result.notes.append("scored: \(line)") }
    case nil, .test:
      guard let test else { throw missing(.test, path: path) }
      let found = try test.find()
      result.sources = found.sources
      result.folders += found.folders
      result.otherFiles += found.otherFiles
      result.notes += found.notes
      result.test = nil
      guard !found.sources.isEmpty else { throw missing(.test, path: path) }
      result.notes.append("scored: the \(found.sources.count) of the part test, in \(test.path)")
    case let part?:
      result.sources = sources.filter { $0.part == part }
      guard !result.sources.isEmpty else { throw missing(part, path: path) }
      result.notes.append("scored: the \(result.sources.count) of the part \(part.rawValue)")
      result.test = nil
    }
    return result
  }

  /// How many samples each part has, where a set says parts.
  private var partsLine: String? {
    let counts = SamplePart.allCases.map { part in (part, sources.count { $0.part == part }) }
      .filter { $0.1 > 0 }
    guard counts.count > 1 else { return nil }
    let parts = counts.map { "\($0.1) of \($0.0.rawValue)" }.joined(separator: " and ")
    return "\(parts), of which the network may have learnt some; --part val takes those alone"
  }

  private func missing(_ part: SamplePart, path: String) -> FileError {
    let parts = Set(sources.compactMap(\.part)).map(\.rawValue).sorted()
    return FileError(
      .missing, path: path, expected: "samples of the part \(part.rawValue)",
      found: parts.isEmpty && test == nil
        ? "no parts" : (parts + (test == nil ? [] : ["test"])).joined(separator: ", "),
      hint: "leave out --part, or name a folder with these samples alone")
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
    if let rest = found.passedOver {
      found.notes.append("\(images), \(masks): passed over \(rest)")
    }
    return found
  }
}
