// How the layout of a set is recognised, and what is said of it.

import Files

extension DatasetLayouts {
  /// The samples at `path`, in the layout that fits or the one that is chosen.
  ///
  /// What fits has to lie at `path` itself, or else in a folder `train/` (or `training/`) in it, where a
  /// folder `val/` (`valid/`, `validation/`) beside it has the samples to validate on, and one `test/` those
  /// for tests.
  ///
  /// - Throws: `FileError` where there is nothing, where no layout fits, and for what is wrong with its files.
  static func found(at path: String, _ choice: LayoutChoice) throws -> FoundSamples {
    let contents = try FolderContents(path: path)
    let fitting = choice.candidates.filter { $0.fits(contents) }
    if let layout = fitting.first {
      return describe(try layout.find(in: contents), layout, fitting, contents)
    }
    if let found = try foundInParts(of: contents, choice) { return found }
    throw FileError(
      .missing, path: path, expected: expectation(of: choice), found: contents.summary,
      hint:
        "put the images into images/ and the masks into masks/, or name both by --images and --masks"
        + (choice == .automatic ? "; --layout NAME tells what another layout looks like" : ""))
  }

  /// What a chosen layout looks like; of all of them the most common, and the names of the others.
  private static func expectation(of choice: LayoutChoice) -> String {
    guard choice == .automatic else {
      return choice.candidates.map { "\($0.rule) (\($0.name))" }.joined(separator: ", or ")
    }
    let others = all.map { $0.name }.filter { $0 != ImagesAndMasksLayout.name }
    return "a folder with \(ImagesAndMasksLayout.rule), or in another layout: "
      + others.joined(separator: ", ")
  }

  /// The samples of a folder that is divided into `train/` and `val/`, or has only the first.
  private static func foundInParts(
    of contents: FolderContents, _ choice: LayoutChoice
  ) throws -> FoundSamples? {
    func part(_ names: [String]) throws(FileError) -> FolderContents? {
      guard let path = names.lazy.compactMap(contents.folderPath).first else { return nil }
      return try FolderContents(path: path)
    }
    guard let training = try part(trainingNames) else { return nil }
    let fitting = choice.candidates.filter { $0.fits(training) }
    guard let layout = fitting.first else { return nil }
    var found = try layout.find(in: training)
    found.folders.append(contents.path)
    if found.classNames == .given([:]) { found.classNames = ClassNameSource(in: contents.path) }
    if let validation = try part(validationNames) {
      guard layout.fits(validation) else {
        throw FileError(
          .missing, path: validation.path, expected: "\(layout.rule), as in \(training.path)",
          found: validation.summary, hint: "lay out both alike, or remove one of them")
      }
      let other = try layout.find(in: validation)
      found.sources =
        marked(found.sources, as: .training, apartFrom: other.sources)
        + marked(other.sources, as: .validation, apartFrom: found.sources)
      found.folders += other.folders
      found.otherFiles += other.otherFiles
      found.notes += other.notes
    }
    if let test = testNames.lazy.compactMap(contents.folder).first, layout.fits(test) {
      found.test = FoundSamples.TestSamples(
        path: test.path, note: "\(test.path): kept for tests (evaluate)"
      ) {
        var samples = try layout.find(in: FolderContents(path: test.path))
        samples.sources = samples.sources.map { $0.marked(nil, as: .test) }
        return samples
      }
    }
    return describe(found, layout, fitting, contents)
  }

  /// What folders of a part are called.
  static let trainingNames = ["train", "training"]
  static let validationNames = ["val", "valid", "validation"]
  static let testNames = ["test", "testing"]

  /// Whether a folder is called as one of a part.
  static func isPart(_ name: String) -> Bool {
    (trainingNames + validationNames + testNames).contains(name.lowercased())
  }

  /// The sources of a part; names that the other part has too are told apart.
  static func marked(
    _ sources: [SampleSource], as part: SamplePart, apartFrom others: [SampleSource]
  ) -> [SampleSource] {
    let isShared = !Set(sources.map(\.name)).isDisjoint(with: others.map(\.name))
    // A group lies in one part: what has one name in both parts is not the same.
    return sources.map { $0.marked(isShared ? part.rawValue + "-" : nil, as: part) }
  }

  /// What was found, with a line that says so before its notes and one of what was passed over.
  private static func describe(
    _ found: FoundSamples, _ layout: any DatasetLayout.Type,
    _ fitting: [any DatasetLayout.Type], _ contents: FolderContents
  ) -> FoundSamples {
    var result = found
    let count = found.sources.count == 1 ? "1 sample" : "\(found.sources.count) samples"
    var line = "\(contents.path): \(layout.rule) (layout \(layout.name)), \(count)"
    let validated = found.sources.count { $0.part == .validation }
    if validated > 0 { line += ", \(validated) of them for validation" }
    let others = fitting.dropFirst().map { $0.name }
    if !others.isEmpty { line += "; \(others.joined(separator: ", ")) would fit too (--layout)" }
    result.notes.insert(line, at: 0)
    if let rest = found.passedOver { result.notes.append("\(contents.path): passed over \(rest)") }
    return result
  }
}

extension FoundSamples {
  /// What lies in the folders that were searched and is no part of the set, by kinds.
  var passedOver: String? {
    let folders = Set(self.folders)
    var used = Set(otherFiles)
    for source in sources { used.formUnion(source.paths) }
    var (files, others): ([String], [String]) = ([], [])
    for folder in folders.sorted(by: Paths.precedes) {
      guard let contents = try? FolderContents(path: folder, keepsGoing: true) else { continue }
      files += contents.foreignNames
      files += contents.files.filter { name in
        !used.contains(contents.place(name)) && !["classes.json", "groups.csv"].contains(name)
      }
      others += contents.folders.filter { name in
        let place = contents.place(name)
        return place != test?.path && !folders.contains(place)
          && !folders.contains { $0.hasPrefix(place + "/") }
      }
    }
    return FolderContents.summary(files: files, folders: others)
  }
}
