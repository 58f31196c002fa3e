// The layout of `images/` (or `imgs/`) and `masks/`.

import Files

/// A folder that holds `images/` (or `imgs/`), `masks/` and, where objects are numbered, `instances/`.
///
/// A mask has the stem of its image, or one that `MaskNames` makes of it; the extensions may differ, and files
/// may be channels (see `PairedSources`). Instances have the stem of their image, and every image has some. Every
/// page of a multi-page TIFF is a sample.
///
/// Hidden files, files that are no images and folders are passed over.
enum ImagesAndMasksLayout: DatasetLayout {
  static let name = "images-masks"
  static let rule = "images/ (or imgs/) and masks/"

  static func fits(_ contents: FolderContents) -> Bool {
    guard let images = imageFolder(contents), contents.hasFolders("masks") else { return false }
    // Folders that hold no images but parts are of another layout.
    let holdsImages = (try? FolderContents(path: images, keepsGoing: true))?.hasImages == true
    return holdsImages || !InnerPartsLayout.fits(contents)
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    guard let images = imageFolder(contents), let masks = contents.folderPath("masks") else {
      preconditionFailure("a folder that does not fit")
    }
    let instances = contents.folderPath("instances")
    let pairs = try PairedSources(images: images, masks: masks, instances: instances)
    return FoundSamples(
      sources: pairs.sources, classNames: ClassNameSource(in: contents.path),
      folders: [contents.path, images, masks] + [instances].compactMap(\.self),
      notes: pairs.notes)
  }

  private static func imageFolder(_ contents: FolderContents) -> String? {
    ["images", "imgs"].lazy.compactMap(contents.folderPath).first
  }
}
