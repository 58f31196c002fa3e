// The names that lie in a folder, as layouts look at them.

import Files

/// What lies at the path of a data set: the names in a folder, or a single file.
package struct FolderContents: Sendable {
  /// The folder, or the file.
  let path: String
  /// Whether there is a file at the path, and no folder.
  let isFile: Bool
  /// The names of its files but hidden ones, by their bytes.
  let files: [String]
  /// The names of its folders but hidden ones, by their bytes.
  let folders: [String]

  /// The contents of what is at `path`.
  ///
  /// - Throws: `FileError` where there is nothing, or a folder that cannot be read.
  init(path: String) throws(FileError) {
    self.path = path
    guard Paths.exists(path) else {
      throw FileError(
        .missing, path: path,
        expected: "a folder with \(ImagesAndMasksLayout.rule), or another layout",
        found: "nothing", hint: "check the path")
    }
    isFile = !Folder.isFolder(path)
    var (files, folders): ([String], [String]) = ([], [])
    for name in isFile ? [] : try Folder.names(in: path).sorted(by: Paths.precedes) {
      if name.hasPrefix(".") { continue }
      if Folder.isFolder(Paths.join(path, name)) {
        folders.append(name)
      } else {
        files.append(name)
      }
    }
    (self.files, self.folders) = (files, folders)
  }

  /// The path of a name in the folder.
  func place(_ name: String) -> String { Paths.join(path, name) }

  /// The contents of a folder in this one, or nil where there is none that can be read.
  func folder(_ name: String) -> FolderContents? {
    Folder.isFolder(place(name)) ? try? FolderContents(path: place(name)) : nil
  }

  /// Whether there are folders of all these paths in this one.
  func hasFolders(_ names: String...) -> Bool {
    names.allSatisfy { Folder.isFolder(place($0)) }
  }

  /// The names of the files with names of images.
  var imageNames: [String] { files.filter(isImageName) }

  /// What lies there, by kinds: "12 PNG files, 3 folders (a, b, c)".
  var summary: String {
    if isFile { return "a file" }
    return Self.summary(files: files, folders: folders) ?? "an empty folder"
  }

  /// Files by kinds, then folders by their names as far as they are few; nil for none of both.
  static func summary(files: [String], folders: [String]) -> String? {
    var counts: [String: Int] = [:]
    for name in files { counts[Paths.kind(name), default: 0] += 1 }
    var parts = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { kind, count in
      "\(count) \(kind) \(count == 1 ? "file" : "files")"
    }
    if !folders.isEmpty {
      let most = 8
      let names =
        folders.prefix(most).joined(separator: ", ") + (folders.count > most ? ", ..." : "")
      parts.append("\(folders.count) \(folders.count == 1 ? "folder" : "folders") (\(names))")
    }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }
}
