// The layout of masks beside their images: `a.png` and `a_mask.png`.

import Files

/// A folder of image files in which the mask of `NAME` is called `NAME_mask`, or has another suffix of
/// `MaskNames`.
enum SideBySideLayout: DatasetLayout {
  static let name = "side-by-side"
  static let rule = "NAME.png beside NAME_mask.png (or _masks, _label, _labels, _seg)"

  static func fits(_ contents: FolderContents) -> Bool {
    hasNeighbouringMasks(contents, MaskNames.bySuffix)
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    try FoundSamples(
      sources: neighbouringSources(in: contents, MaskNames.bySuffix),
      classNames: ClassNameSource(in: contents.path), folders: [contents.path])
  }
}
