// The layout of zhixuhao/unet, `image/` and `label/`, and its relatives.

import Files

/// A folder that holds a folder of images and a folder of labels under names like `image/` and `label/`.
///
/// Names of files are matched as in `ImagesAndMasksLayout`, which has the folders that this one leaves out.
enum ImageAndLabelLayout: DatasetLayout {
  static let name = "image-label"
  static let rule = "image/ and label/ (or labels/, mask/, seg/)"

  static func fits(_ contents: FolderContents) -> Bool {
    imageFolders(contents).count == 1 && labelFolders(contents).count == 1
      && !ImagesAndMasksLayout.fits(contents)
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    let (images, labels) = (
      contents.place(imageFolders(contents)[0]), contents.place(labelFolders(contents)[0])
    )
    return try FoundSamples(
      sources: pairedSources(images: images, masks: labels),
      classNames: ClassNameSource(in: contents.path), folders: [contents.path, images, labels])
  }

  /// The folders with names of image folders that have images in them.
  private static func imageFolders(_ contents: FolderContents) -> [String] {
    present(["image", "images", "img", "imgs"], contents)
  }

  private static func labelFolders(_ contents: FolderContents) -> [String] {
    present(["label", "labels", "mask", "masks", "seg", "segmentation"], contents)
  }

  private static func present(_ names: [String], _ contents: FolderContents) -> [String] {
    names.filter { contents.folder($0)?.imageNames.isEmpty == false }
  }
}
