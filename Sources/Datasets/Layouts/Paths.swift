// Names and paths of a data set's files.

import Files
import Foundation

/// Questions about paths.
enum Paths {
  /// Whether one name comes before another: by bytes, so that no locale decides.
  static func precedes(_ first: String, _ second: String) -> Bool {
    first.utf8.lexicographicallyPrecedes(second.utf8)
  }

  /// The file's name without folder and extension, of which `.nii.gz` is one.
  static func stem(_ path: String) -> String {
    let name = (path as NSString).lastPathComponent
    let isPacked = name.lowercased().hasSuffix(".nii.gz")
    return ((isPacked ? String(name.dropLast(3)) : name) as NSString).deletingPathExtension
  }

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
}
