// The layout of masks beside their images: `a.png` and `a_mask.png`.

import Files

/// A folder of image files in which the mask of `NAME` (or `NAME_img`) is called `NAME_mask`, or has another
/// suffix of `MaskNames`.
enum SideBySideLayout: DatasetLayout {
  static let name = "side-by-side"
  static let rule =
    "NAME.png (or NAME_img.png) beside NAME_mask.png (or _masks, _label, _labels, _seg, _gt)"

  static func fits(_ contents: FolderContents) -> Bool {
    PairedSources.hasMasksBesideImages(contents, MaskNames.bySuffix)
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    let pairs = try PairedSources(beside: contents, MaskNames.bySuffix)
    return FoundSamples(
      sources: pairs.sources, classNames: ClassNameSource(in: contents.path),
      folders: [contents.path], notes: pairs.notes)
  }
}
