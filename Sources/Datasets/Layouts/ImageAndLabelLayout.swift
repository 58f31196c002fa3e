// The layout of zhixuhao/unet, `image/` and `label/`, and its relatives.

import Files

/// A folder that holds a folder of images and a folder of labels under names like `image/` and `label/`.
///
/// Names of files are matched as in `ImagesAndMasksLayout`, which has the folders that this one leaves out.
enum ImageAndLabelLayout: DatasetLayout {
  static let name = "image-label"
  static let rule = "image/ and label/ (or labels/, mask/, seg/, gt/)"

  static func fits(_ contents: FolderContents) -> Bool {
    !imageFolders(contents).isEmpty && !labelFolders(contents).isEmpty
      && !ImagesAndMasksLayout.fits(contents)
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    let images = try only(imageFolders(contents), "images", contents)
    let labels = try only(labelFolders(contents), "labels", contents)
    let pairs = try PairedSources(images: images, masks: labels)
    return FoundSamples(
      sources: pairs.sources, classNames: ClassNameSource(in: contents.path),
      folders: [contents.path, images, labels], notes: pairs.notes)
  }

  /// What folders of images are called, and folders of labels.
  static let imageNames = ["image", "images", "img", "imgs"]
  static let labelNames = usualLabelNames + ["gt", "ground_truth"]
  /// Those that go before the others: with them these are something else.
  private static let usualLabelNames = [
    "label", "labels", "mask", "masks", "seg", "segmentation",
  ]

  /// The folders with names of image folders that have images in them.
  private static func imageFolders(_ contents: FolderContents) -> [String] {
    present(imageNames, contents)
  }

  private static func labelFolders(_ contents: FolderContents) -> [String] {
    let usual = present(usualLabelNames, contents)
    return usual.isEmpty ? present(labelNames, contents) : usual
  }

  /// The only folder of some that may be meant.
  private static func only(
    _ folders: [String], _ kind: String, _ contents: FolderContents
  ) throws(FileError) -> String {
    guard folders.count == 1 else {
      throw FileError(
        .twoMasks, path: contents.path, expected: "one folder of \(kind)",
        found: folders.map(Paths.name).joined(separator: " and "),
        hint: "rename one of them, or name two folders by --images and --masks")
    }
    return folders[0]
  }

  private static func present(_ names: [String], _ contents: FolderContents) -> [String] {
    names.compactMap(contents.folder).filter(\.hasImages).map(\.path)
  }
}
