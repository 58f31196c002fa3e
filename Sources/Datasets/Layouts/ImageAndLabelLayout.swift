// The layout of zhixuhao/unet, `image/` and `label/`, and its relatives.

import Files

/// A folder that holds a folder of images and a folder of labels under names like `image/` and `label/`.
///
/// Names of files are matched as in `ImagesAndMasksLayout`, which has the folders that this one leaves out.
enum ImageAndLabelLayout: DatasetLayout {
  static let name = "image-label"
  static let rule = "image/ and label/ (or labels/, mask/, seg/, gt/)"

  static func fits(_ contents: FolderContents) -> Bool {
    imageFolders(contents).count == 1 && labelFolders(contents).count == 1
      && !ImagesAndMasksLayout.fits(contents) && !InnerPartsLayout.fits(contents)
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    let (images, labels) = (imageFolders(contents)[0], labelFolders(contents)[0])
    let pairs = try PairedSources(images: images, masks: labels)
    return FoundSamples(
      sources: pairs.sources, classNames: ClassNameSource(in: contents.path),
      folders: [contents.path, images, labels], notes: pairs.notes)
  }

  /// What folders of images are called, and folders of labels.
  static let imageNames = ["image", "images", "img", "imgs"]
  static let labelNames = [
    "label", "labels", "mask", "masks", "seg", "segmentation", "gt", "ground_truth",
  ]

  /// The folders with names of image folders that have images in them.
  private static func imageFolders(_ contents: FolderContents) -> [String] {
    present(imageNames, contents)
  }

  private static func labelFolders(_ contents: FolderContents) -> [String] {
    present(labelNames, contents)
  }

  private static func present(_ names: [String], _ contents: FolderContents) -> [String] {
    names.compactMap(contents.folder).filter { !$0.imageNames.isEmpty }.map(\.path)
  }
}
