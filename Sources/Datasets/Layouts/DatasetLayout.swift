// The ways in which images and masks lie in a folder, and how one is recognised.

import Files

/// A way in which images and masks lie in a folder.
///
/// A layout finds files and matches them; sizes, channels, classes and all that follows are the
/// same for all of them. A new one is a file beside this one and a line in `DatasetLayouts.all`.
package protocol DatasetLayout: Sendable {
  /// What its folder looks like, for messages.
  static var description: String { get }

  /// The layout of `folder`, or nil where the folder is laid out in another way.
  init?(recognizing folder: String)

  /// The samples, in no particular order.
  ///
  /// - Throws: `FileError` naming the file that has no partner, two, or cannot be opened.
  func sources() throws -> [SampleSource]

  /// The file of class names, where there is one.
  var classNamesPath: String? { get }
}

/// The layouts that are known.
package enum DatasetLayouts {
  /// In the order in which they are tried.
  package static let all: [any DatasetLayout.Type] = [ImagesAndMasksLayout.self]

  /// The layout of the folder at `path`.
  ///
  /// - Throws: `FileError` where there is no folder, or none that any layout knows.
  package static func recognized(_ path: String) throws -> any DatasetLayout {
    let looks = all.map { $0.description }.joined(separator: ", or ")
    guard Folder.isFolder(path) else {
      throw FileError(
        .missing, path: path, expected: "a folder with \(looks)", found: Paths.existing(path),
        hint: "check the path")
    }
    for layout in all {
      if let layout = layout.init(recognizing: path) { return layout }
    }
    throw FileError(
      .missing, path: path, expected: "a folder with \(looks) in it", found: "none",
      hint: "put the images into images/ and the masks into masks/, or name both folders")
  }
}
