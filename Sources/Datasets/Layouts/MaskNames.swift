// How masks are called after their images.

/// The stems of images that a mask may belong to, given its own; words are compared without regard to case.
enum MaskNames {
  /// What stands behind the name of the image, after a line or a hyphen.
  static let suffixes = [
    "cp_masks", "masks", "mask", "labels", "label", "segmentation", "seg", "gt",
  ]
  /// What stands before the name that image and mask share, of which the first is no letter.
  static let prefixes = ["masks", "mask", "labels", "label", "seg"]
  /// What may stand behind it, or before it, in the image's name.
  static let imageWords = ["image", "img"]

  /// The images of a mask that is told by a suffix: `a` or `a_img` of `a_mask`.
  static func bySuffix(_ stem: String) -> [String] {
    suffixes.flatMap { word -> [String] in
      guard let name = stem.dropping(suffix: word), let separator = name.last,
        "_-".contains(separator), name.count > 1
      else { return [] }
      let image = String(name.dropLast())
      // A mask may be called after all of `a.ome.tif`, as in `a.ome_mask.png`.
      return [image] + [image.dropping(suffix: ".ome")].compactMap(\.self)
        + imageWords.map { name + $0 }
    }
  }

  /// The images of a mask that is told by a prefix: `image_1` or `img_1` of `mask_1`, and so without the line.
  static func byPrefix(_ stem: String) -> [String] {
    shared(stem).flatMap { name in imageWords.map { $0 + name } }
  }

  /// The same, and the shared name alone: where masks have a folder of their own.
  static func inFolder(_ stem: String) -> [String] {
    let bare = shared(stem).map { String($0.drop { !$0.isLetter && !$0.isNumber }) }
    // A mask may be called after all of `a.ome.tif`, as in `a.ome.png`.
    let inner = stem.dropping(suffix: ".ome").map(inFolder) ?? []
    return [stem] + bySuffix(stem) + byPrefix(stem) + bare.filter { !$0.isEmpty }
      + imageWords.flatMap { ["\(stem)_\($0)", "\($0)_\(stem)"] } + inner
  }

  /// What follows the prefix of a mask's name.
  private static func shared(_ stem: String) -> [String] {
    prefixes.compactMap { word in
      guard stem.prefix(word.count).lowercased() == word else { return nil }
      let name = stem.dropFirst(word.count)
      return name.first?.isLetter == false ? String(name) : nil
    }
  }
}

extension String {
  /// What is before `suffix`, which is compared without regard to case; nil without it, and for nothing else.
  fileprivate func dropping(suffix: String) -> String? {
    count > suffix.count && self.suffix(suffix.count).lowercased() == suffix
      ? String(dropLast(suffix.count)) : nil
  }
}
