// The layout of pairs told apart by what stands before their common name: `image_1.png` and `mask_1.png`.

import Files

/// A folder of image files in which the mask of `image_NAME` (or `img_NAME`) is called `mask_NAME`, or has
/// another prefix of `MaskNames`; no line is needed where NAME begins with no letter, as in `image1`.
enum PrefixedPairsLayout: DatasetLayout {
  static let name = "prefixed"
  static let rule =
    "image_NAME.png or image1.png (or img) beside mask_NAME.png or mask1.png (or label, seg)"

  static func fits(_ contents: FolderContents) -> Bool {
    PairedSources.hasMasksBesideImages(contents, MaskNames.byPrefix)
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    let pairs = try PairedSources(beside: contents, MaskNames.byPrefix)
    return FoundSamples(
      sources: pairs.sources, classNames: ClassNameSource(in: contents.path),
      folders: [contents.path], notes: pairs.notes)
  }
}
