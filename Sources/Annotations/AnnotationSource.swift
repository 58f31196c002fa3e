// Which program's annotations a file or folder holds.

package import Files
import Foundation
import Imaging

/// A file or folder of annotations, told by the names and contents of its files.
package enum AnnotationSource {
  /// The most classes there can be beside the background: a mask has 8 bits, and 255 is left free.
  static let maximumClassCount = 254

  /// The annotations at `path`: COCO's or LabelMe's JSON, ImageJ's regions, or a folder of the last two.
  ///
  /// - Parameter images: The folder that paths of images start from; by default that of the annotations.
  /// - Throws: `FileError` where there are none, or those of several programs, and for what cannot be read.
  package static func read(_ path: String, images: String? = nil) throws(FileError) -> AnnotationSet
  {
    let isFolder = Folder.isFolder(path)
    guard isFolder || FileManager.default.fileExists(atPath: path) else {
      throw FileError(
        path: path, expected: "a file or folder of annotations", found: "nothing",
        hint: "check the path")
    }
    let places =
      isFolder
      ? try Folder.names(in: path).filter { !$0.hasPrefix(".") }
        .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { join(path, $0) } : [path]
    let files = places.filter { !Folder.isFolder($0) }
    let tables = files.filter { kind($0) == "json" }
    let regions = files.filter { ["roi", "zip"].contains(kind($0)) }
    guard tables.isEmpty || regions.isEmpty, !tables.isEmpty || !regions.isEmpty else {
      throw FileError(
        path: path, expected: "JSON files of COCO or LabelMe, or .roi and .zip files of ImageJ",
        found: tables.isEmpty ? "neither" : "both", hint: "name the file that is to be imported")
    }
    let home = isFolder ? path : folder(of: path)
    if !regions.isEmpty {
      let images = try imageFiles(in: images ?? home)
      return try ImageJRegion.read(paired(regions, with: images))
    }
    var coco: [String] = []
    for table in tables where try isCOCO(table) { coco.append(table) }
    if coco.isEmpty { return try LabelMeFile.read(tables, images: images) }
    guard coco.count == 1 else {
      throw FileError(
        path: path, expected: "one file of COCO's", found: "\(coco.count)",
        hint: "name the file that is to be imported")
    }
    guard tables.count == 1 else {
      throw FileError(
        path: path, expected: "JSON files of one program", found: "COCO's \(coco[0]) among others",
        hint: "name the file that is to be imported")
    }
    return try COCOFile.read(coco[0], images: images ?? home)
  }

  /// Whether a JSON file has the keys of COCO's.
  private static func isCOCO(_ path: String) throws(FileError) -> Bool {
    struct Keys: Decodable {
      struct Anything: Decodable { init(from _: any Decoder) {} }
      let annotations: Anything
      let images: Anything
    }
    let bytes = try InputFile.contents(of: path, limit: COCOFile.sizeLimit)
    return (try? JSONDecoder().decode(Keys.self, from: Data(bytes))) != nil
  }

  /// Each file of regions with its image: of the same name, also between `RoiSet_` or `_RoiSet`, `_rois`; or
  /// the only image.
  private static func paired(
    _ regions: [String], with images: [String]
  ) throws(FileError) -> [(regions: String, image: String)] {
    var result: [(regions: String, image: String)] = []
    for file in regions {
      let own = stem(file)
      var names = [own]
      for ending in ["_RoiSet", "-RoiSet", "_rois", "_ROIs"] where own.hasSuffix(ending) {
        names.append(String(own.dropLast(ending.count)))
      }
      for start in ["RoiSet_", "RoiSet-"] where own.hasPrefix(start) {
        names.append(String(own.dropFirst(start.count)))
      }
      let image =
        names.lazy.compactMap { name in images.first { stem($0) == name } }.first
        ?? (regions.count == 1 && images.count == 1 ? images[0] : nil)
      guard let image else {
        throw FileError(
          path: file, expected: "an image called \(names.joined(separator: " or "))",
          found: "none",
          hint: "call the image and its regions alike, or name its folder by --images")
      }
      if let other = result.first(where: { $0.image == image }) {
        throw FileError(
          path: file, expected: "one file of regions for \(image)", found: "\(other.regions) too",
          hint: "save the regions of an image in one .zip")
      }
      result.append((file, image))
    }
    return result
  }

  private static func imageFiles(in folder: String) throws(FileError) -> [String] {
    try Folder.names(in: folder).filter(ImageFile.isImage)
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { join(folder, $0) }
  }

  // MARK: - What all programs share

  /// Refuses more classes than a mask can have.
  static func checkClassCount(_ count: Int, _ path: String) throws(FileError) {
    guard count <= maximumClassCount else {
      throw FileError(
        path: path, expected: "at most \(maximumClassCount) classes", found: "\(count)",
        hint: "join or leave out some")
    }
  }

  /// The names of images in a set: the stems of their files, or where these are not unique their paths.
  static func names(_ paths: [String]) -> [String] {
    let stems = paths.map(stem)
    if Set(stems).count == stems.count { return stems }
    return paths.map { path in
      let parts = join(folder(of: path), stem(path)).split(separator: "/")
      return parts.filter { $0 != "." && $0 != ".." }.joined(separator: "-")
    }
  }

  static func stem(_ path: String) -> String { ImageFile.stem(path) }
  static func last(_ path: String) -> String { (path as NSString).lastPathComponent }
  static func folder(of path: String) -> String { (path as NSString).deletingLastPathComponent }

  static func join(_ folder: String, _ path: String) -> String {
    path.hasPrefix("/") ? path : (folder as NSString).appendingPathComponent(path)
  }

  private static func kind(_ path: String) -> String {
    (path as NSString).pathExtension.lowercased()
  }
}
