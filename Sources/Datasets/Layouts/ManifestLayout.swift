// A table that lists images with their masks.

import Files

/// A file of comma-separated values with the columns `image` and `mask` and, where wanted, `group` and
/// `split` (train or val; lines that say test are passed over).
///
/// Paths are relative to the file's folder. Samples are called by the stems of their images, or where these
/// are not unique by their paths, with `-` for `/`.
enum ManifestLayout: DatasetLayout {
  static let name = "manifest"
  static let rule = "FILE.csv with columns image, mask and optional group, split"

  static func fits(_ contents: FolderContents) -> Bool {
    contents.isFile && contents.path.lowercased().hasSuffix(".csv")
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    let path = contents.path
    let table = try CommaSeparatedTable(path: path)
    func column(_ name: String) -> Int? { table.columns.firstIndex(of: name) }
    guard let imageColumn = column("image"), let maskColumn = column("mask") else {
      throw FileError(
        path: path, expected: "the columns image and mask",
        found: table.columns.joined(separator: ", "), hint: "name the columns so")
    }
    let images = table.rows.map { $0[imageColumn] }
    let stems = images.map(Paths.stem)
    let names = Set(stems).count == stems.count ? stems : images.map(longName)
    var found = FoundSamples(
      sources: [], classNames: ClassNameSource(in: Paths.folder(of: path)), folders: [])
    var testCount = 0
    for (line, row) in table.rows.enumerated() {
      guard !row[imageColumn].isEmpty, !row[maskColumn].isEmpty else {
        throw FileError(
          .imageWithoutMask, path: path, expected: "an image and a mask in line \(line + 2)",
          found: "an empty field", hint: "complete the line or remove it")
      }
      var part: SamplePart?
      switch column("split").map({ row[$0].lowercased() }) {
      case "train", "training": part = .training
      case "val", "valid", "validation": part = .validation
      case "test":
        testCount += 1
        continue
      case nil: part = nil
      case let other?:
        throw FileError(
          path: path, expected: "train, val or test under split in line \(line + 2)",
          found: "\"\(other)\"", hint: "leave the column out to divide the set at random")
      }
      let folder = Paths.folder(of: path)
      func place(_ file: String) -> String {
        file.hasPrefix("/") || folder.isEmpty ? file : Paths.join(folder, file)
      }
      var samples = try SampleSource.pages(
        named: names[line], image: [place(row[imageColumn])], mask: place(row[maskColumn]))
      for index in samples.indices {
        samples[index].part = part
        if let group = column("group").map({ row[$0] }), !group.isEmpty {
          samples[index].group = group
        }
      }
      found.sources += samples
    }
    if testCount > 0 {
      found.notes.append("\(path): passed over lines of the split test: \(testCount)")
    }
    return found
  }

  private static func longName(_ path: String) -> String {
    let folder = Paths.folder(of: path)
    let whole = folder.isEmpty ? Paths.stem(path) : Paths.join(folder, Paths.stem(path))
    return whole.split(separator: "/").filter { $0 != "." && $0 != ".." }.joined(separator: "-")
  }
}
