// The parts of an image file's name.

import Foundation

extension ImageFile {
  /// Extensions of two parts: the last one alone would leave the other in the name.
  private static let doubleExtensions = [".nii.gz", ".ome.tif", ".ome.tiff", ".ome.btf"]

  /// The file's name without folder and extension; `.nii.gz` and `.ome.tif` are one extension.
  package static func stem(_ path: String) -> String { nameParts(path).stem }

  /// The file's extension without the dot before it; empty where it has none.
  package static func nameExtension(_ path: String) -> String { nameParts(path).ending }

  private static func nameParts(_ path: String) -> (stem: String, ending: String) {
    let name = (path as NSString).lastPathComponent
    for double in doubleExtensions
    where name.count > double.count && name.suffix(double.count).lowercased() == double {
      return (String(name.dropLast(double.count)), String(name.suffix(double.count).dropFirst()))
    }
    return ((name as NSString).deletingPathExtension, (name as NSString).pathExtension)
  }
}
