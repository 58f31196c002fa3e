// What lies in the folders of a set and is no part of it.

package import Files
import Imaging

extension SampleIndex {
  /// One line on the files and folders beside the images and masks that were passed over, or nil where
  /// there are none.
  ///
  /// Hidden files do not count, nor do tables and names that belong to a set.
  ///
  /// - Throws: `FileError` for a folder that cannot be listed.
  package func passedOver() throws(FileError) -> String? {
    let paths = entries.flatMap {
      [$0.imagePath, $0.maskPath, $0.instances?.path].compactMap(\.self)
    }
    let used = Set(paths)
    let folders = Set(paths.map(Paths.folder(of:)))
    var counts: [String: Int] = [:]
    for folder in folders {
      for name in try Folder.names(in: folder.isEmpty ? "." : folder) {
        let path = Paths.join(folder, name)
        guard !name.hasPrefix("."), !used.contains(path), !Self.companions.contains(name) else {
          continue
        }
        if Folder.isFolder(path) {
          let holdsSamples = folders.contains { $0 == path || $0.hasPrefix(path + "/") }
          if !holdsSamples { counts["folder", default: 0] += 1 }
        } else {
          let dot = name.lastIndex(of: ".")
          let kind = dot.map { name[$0...].lowercased() } ?? "without extension"
          counts[kind, default: 0] += 1
        }
      }
    }
    guard !counts.isEmpty else { return nil }
    let kinds = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .map { "\($0.value) \($0.key)" }
    let total = counts.values.reduce(0, +)
    return "\(total) \(total == 1 ? "entry" : "entries") beside the images passed over: "
      + kinds.joined(separator: ", ")
  }

  /// Files that belong to a set and are no images.
  private static let companions: Set = ["classes.json", "groups.csv"]
}
