// Folders: made where they are missing, and listed.

import Foundation

/// Folders.
package enum Folder {
  /// Creates a folder and those above it, unless there is one; the umask is obeyed.
  ///
  /// - Throws: `FileError` when a part of the path is no folder or cannot be made.
  package static func make(_ path: String) throws(FileError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw FileError(path: path, operation: "use this path", code: EINVAL)
    }
    var sofar = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      sofar += part
      if mkdir(sofar, 0o777) != 0 {
        let code = errno
        // Something may be there, or be unreadable from here though what lies below is not.
        guard isFolder(sofar) else {
          throw FileError(
            path: path, operation: "create the folder", code: code == EEXIST ? ENOTDIR : code)
        }
      }
      sofar += "/"
    }
  }

  /// Whether there is a folder at `path`, or a link to one.
  package static func isFolder(_ path: String) -> Bool {
    var status = stat()
    // A NUL would cut the path short in C and name another one.
    return !path.utf8.contains(0) && stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// The names in a folder, in no particular order.
  ///
  /// - Throws: `FileError` where the system refuses, and for a name that is no UTF-8 text, by which its
  ///   file could not be opened.
  package static func names(in path: String) throws(FileError) -> [String] {
    let listing = try listing(path)
    if let name = listing.foreign.min() { throw foreignName(name, in: path) }
    return listing.files + listing.folders
  }

  /// The error of a name that is no UTF-8 text, of which `name` shows what can be shown.
  package static func foreignName(_ name: String, in path: String) -> FileError {
    FileError(
      path: path, expected: "names in UTF-8", found: "the name \(name), in another encoding",
      hint: "rename it (convmv renames whole folders)")
  }

  /// The names in a folder, in no particular order: of files, of folders and of links to them, and apart those that
  /// are no UTF-8 text, as far as they can be shown.
  ///
  /// - Throws: `FileError` where the system refuses.
  package static func listing(
    _ path: String
  ) throws(FileError) -> (files: [String], folders: [String], foreign: [String]) {
    guard !path.utf8.contains(0) else {
      throw FileError(path: path, operation: "use this path", code: EINVAL)
    }
    guard let folder = opendir(path) else {
      throw FileError(path: path, operation: "list the folder", code: errno)
    }
    defer { closedir(folder) }
    var (files, folders, foreign): ([String], [String], [String]) = ([], [], [])
    errno = 0
    while let entry = readdir(folder) {
      let (name, repaired) = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) {
          (String(validatingCString: $0), String(cString: $0))
        }
      }
      if let name, name != "." && name != ".." {
        // Most file systems tell here what it is; links and what others leave open are looked at.
        let type = Int(entry.pointee.d_type)
        let isFolder = type == DT_DIR || type != DT_REG && isFolder("\(path)/\(name)")
        if isFolder { folders.append(name) } else { files.append(name) }
      } else if name == nil {
        foreign.append(repaired)
      }
      errno = 0
    }
    guard errno == 0 else { throw FileError(path: path, operation: "list the folder", code: errno) }
    return (files, folders, foreign)
  }
}
