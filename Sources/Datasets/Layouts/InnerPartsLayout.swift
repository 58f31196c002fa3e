// The layout of parts inside the folders of images and masks: `images/train/` and `masks/train/`.

import Files

/// A folder of images and one of masks, each with a folder `train/` and, where wanted, `val/` and `test/` in it;
/// or `train_images/`, `train_masks/`, `val_images/` and `val_masks/` beside each other.
///
/// The folders are called as in `ImageAndLabelLayout`; files are matched as in `ImagesAndMasksLayout`.
enum InnerPartsLayout: DatasetLayout {
  static let name = "inner-parts"
  static let rule =
    "images/train/ and masks/train/, images/val/ and masks/val/ (or train_images/ and train_masks/)"

  static func fits(_ contents: FolderContents) -> Bool {
    !pairs(DatasetLayouts.trainingNames, contents).isEmpty
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    var found = FoundSamples(
      sources: [], classNames: ClassNameSource(in: contents.path), folders: [contents.path])
    guard let training = try sources(of: DatasetLayouts.trainingNames, contents, &found) else {
      preconditionFailure("a folder that does not fit")
    }
    if let validation = try sources(of: DatasetLayouts.validationNames, contents, &found) {
      found.sources =
        DatasetLayouts.marked(training, as: .training, apartFrom: validation)
        + DatasetLayouts.marked(validation, as: .validation, apartFrom: training)
    } else {
      found.sources = training
    }
    // Images for tests without masks are to be predicted.
    if let test = pairs(DatasetLayouts.testNames, contents).first {
      let folders = [test.images.path, test.masks.path]
      let instances = instances(of: DatasetLayouts.testNames, contents)
      found.folders += folders + [instances].compactMap(\.self)
      let inside =
        [test.images, test.masks]
        + [try instances.map { try FolderContents(path: $0, keepsGoing: true) }]
        .compactMap(\.self)
      found.otherFiles += inside.flatMap { $0.files.map($0.place) }
      found.test = FoundSamples.TestSamples(
        path: test.images.path, note: "\(test.images.path): kept for tests (evaluate)"
      ) {
        let samples = try PairedSources(
          images: folders[0], masks: folders[1], instances: instances)
        return FoundSamples(
          sources: samples.sources.map { $0.marked(nil, as: .test) }, folders: folders,
          notes: samples.notes)
      }
    }
    return found
  }

  /// The samples of a part, or nil where there is none; adds their folders and what is to be said of them.
  private static func sources(
    of part: [String], _ contents: FolderContents, _ found: inout FoundSamples
  ) throws -> [SampleSource]? {
    let pairs = pairs(part, contents)
    guard let pair = pairs.first else {
      guard let images = folders(ImageAndLabelLayout.imageNames, part, contents).first else {
        return nil
      }
      throw FileError(
        .missing, path: images.folder.path, expected: "a folder of its masks too, by \(rule)",
        found: "none", hint: "add the masks or remove the images")
    }
    guard pairs.count == 1 else {
      throw FileError(
        .twoMasks, path: pair.images.path, expected: "one folder of images and one of masks",
        found: pairs.map { "\($0.images.path) with \($0.masks.path)" }.joined(separator: ", "),
        hint: "remove one of them, or name both folders by --images and --masks")
    }
    let instances = instances(of: part, contents)
    let samples = try PairedSources(
      images: pair.images.path, masks: pair.masks.path, instances: instances)
    let folders = [pair.images.path, pair.masks.path] + [instances].compactMap(\.self)
    found.folders += folders
    for folder in folders.map(Paths.folder)
    where !found.folders.contains(folder) {
      found.folders.append(folder)
    }
    found.notes += samples.notes
    return samples.sources
  }

  /// The folder `instances/train/` or the like, where objects are numbered.
  private static func instances(of part: [String], _ contents: FolderContents) -> String? {
    part.lazy.compactMap { contents.folderPath("instances/\($0)") }.first
  }

  /// The folders of images and of masks of a part, which is called by one of `part`.
  private static func pairs(
    _ part: [String], _ contents: FolderContents
  ) -> [(images: FolderContents, masks: FolderContents)] {
    let masks = folders(ImageAndLabelLayout.labelNames, part, contents)
    return folders(ImageAndLabelLayout.imageNames, part, contents).flatMap { images in
      masks.filter { $0.form == images.form }.map { (images.folder, $0.folder) }
    }
  }

  /// The folders that hold a part of what `words` name, and have images in them.
  private static func folders(
    _ words: [String], _ part: [String], _ contents: FolderContents
  ) -> [(form: Int, folder: FolderContents)] {
    var result: [(form: Int, folder: FolderContents)] = []
    for word in words {
      // Where images lie in the folder itself, what is below them is no part.
      let outer = contents.folder(word).flatMap { $0.hasImages ? nil : $0 }
      for part in part {
        let places = ["\(part)_\(word)", "\(part)-\(word)", "\(word)_\(part)", "\(word)-\(part)"]
        let all = [outer?.folder(part)] + places.map(contents.folder)
        for (form, folder) in all.enumerated() {
          guard let folder, folder.hasImages else { continue }
          result.append((form, folder))
        }
      }
    }
    return result
  }
}
