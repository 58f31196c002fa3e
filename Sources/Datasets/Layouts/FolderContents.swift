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
  /// The names that are no UTF-8 text, as far as they can be shown; empty unless they were asked for.
  let foreignNames: [String]
  /// The names of its folders by their lower-case forms.
  private let foldersAlike: [String: [String]]

  /// The contents of what is at `path`.
  ///
  /// - Parameter keepsGoing: whether names that are no UTF-8 text are listed instead of refused.
  /// - Throws: `FileError` where there is nothing, or a folder that cannot be read.
  init(path: String, keepsGoing: Bool = false) throws(FileError) {
    self.path = path
    guard Paths.exists(path) else {
      throw FileError(
        .missing, path: path,
        expected: "a folder with \(ImagesAndMasksLayout.rule), or another layout",
        found: "nothing", hint: "check the path")
    }
    isFile = !Folder.isFolder(path)
    let (files, folders, foreign) = isFile ? ([], [], []) : try Folder.listing(path)
    func shown(_ names: [String]) -> [String] {
      names.filter { !$0.hasPrefix(".") }.sorted(by: Paths.precedes)
    }
    (self.files, self.folders, foreignNames) = (shown(files), shown(folders), shown(foreign))
    foldersAlike = Dictionary(grouping: self.folders) { $0.lowercased() }
    if !keepsGoing, let name = foreignNames.first {
      throw Folder.foreignName(name, in: path)
    }
  }

  /// The path of a name in the folder.
  func place(_ name: String) -> String { Paths.join(path, name) }

  /// The path of a folder in this one or below it, or nil where there is none.
  ///
  /// Names are compared without regard to case where none is exactly the same; of two that differ by case
  /// alone neither is taken.
  func folderPath(_ path: String) -> String? {
    if Folder.isFolder(place(path)) { return place(path) }
    var found = self
    let parts = path.split(separator: "/")
    for (level, part) in parts.enumerated() {
      let names = found.foldersAlike[part.lowercased()] ?? []
      guard let name = names.first(where: { $0 == part }) ?? (names.count == 1 ? names[0] : nil)
      else { return nil }
      // The last one is there, whether or not it can be read.
      if level == parts.count - 1 { return found.place(name) }
      guard let next = try? FolderContents(path: found.place(name), keepsGoing: true) else {
        return nil
      }
      found = next
    }
    return nil
  }

  /// The contents of a folder in this one (`folderPath`), to see what it is, or nil where there is none that can be
  /// read.
  ///
  /// Names that are no text do not count as files here, though `hasImages` knows of them: who takes files lists the
  /// folder for itself, which refuses them.
  func folder(_ path: String) -> FolderContents? {
    folderPath(path).flatMap { try? FolderContents(path: $0, keepsGoing: true) }
  }

  /// Whether there are folders of all these paths in this one (`folderPath`).
  func hasFolders(_ paths: String...) -> Bool {
    paths.allSatisfy { folderPath($0) != nil }
  }

  /// The names of the files with names of images.
  var imageNames: [String] { files.filter(isImageName) }

  /// Whether there are files with names of images, be they text or not.
  var hasImages: Bool { (files + foreignNames).contains(where: isImageName) }

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
