// The layout of pairs told apart by what stands before their common name: `image_1.png` and `mask_1.png`.

import Files

/// A folder of image files in which the mask of `image_NAME` (or `img_NAME`) is called `mask_NAME`, or has
/// another prefix of `MaskNames`.
enum PrefixedPairsLayout: DatasetLayout {
  static let name = "prefixed"
  static let rule = "image_NAME.png (or img_) beside mask_NAME.png (or label_, seg_)"

  static func fits(_ contents: FolderContents) -> Bool {
    hasNeighbouringMasks(contents, MaskNames.byPrefix)
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    try FoundSamples(
      sources: neighbouringSources(in: contents, MaskNames.byPrefix),
      classNames: ClassNameSource(in: contents.path), folders: [contents.path])
  }
}
