// Names and paths of a data set's files.

import Files
import Foundation
import Imaging

/// Questions about paths.
enum Paths {
  /// Whether one name comes before another: by bytes, so that no locale decides.
  static func precedes(_ first: String, _ second: String) -> Bool {
    first.utf8.lexicographicallyPrecedes(second.utf8)
  }

  /// The file's name without folder and extension (see `ImageFile.stem`).
  static func stem(_ path: String) -> String { ImageFile.stem(path) }

  /// The kind of a file by its extension, for messages: "PNG".
  static func kind(_ path: String) -> String {
    let ending = (path as NSString).pathExtension
    return ending.isEmpty ? "extensionless" : ending.uppercased()
  }

  static func name(_ path: String) -> String { (path as NSString).lastPathComponent }

  static func folder(of path: String) -> String {
    (path as NSString).deletingLastPathComponent
  }

  static func join(_ folder: String, _ name: String) -> String {
    (folder as NSString).appendingPathComponent(name)
  }

  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  /// What stands at a path, for messages.
  static func existing(_ path: String) -> String {
    exists(path) ? (Folder.isFolder(path) ? "a folder" : "a file") : "nothing"
  }

  /// Whether two paths lead to one file, by whatever links.
  static func areSame(_ first: String, _ second: String) -> Bool {
    var (one, other) = (stat(), stat())
    guard stat(first, &one) == 0, stat(second, &other) == 0 else { return false }
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino
  }
}

/// Whether a file's name is that of an image.
func isImageName(_ name: String) -> Bool { ImageFile.isImage(name) }
