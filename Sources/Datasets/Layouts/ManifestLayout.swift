// A table that lists images with their masks.

import Files

/// A `SeparatedTable` with the columns `image` and `mask` and, where wanted, `group` and `split` (train, val or
/// test; lines that say test are taken for tests alone).
///
/// Where lines say train or val, those that say nothing are trained on.
///
/// Paths are relative to the file's folder. Samples are called by the stems of their images, or where these
/// are not unique by their paths, with `-` for `/`.
enum ManifestLayout: DatasetLayout {
  static let name = "manifest"
  static let rule = "FILE.csv (or .tsv) with columns image, mask and optional group, split"

  static func fits(_ contents: FolderContents) -> Bool {
    contents.isFile && [".csv", ".tsv"].contains(contents.path.suffix(4).lowercased())
  }

  static func find(in contents: FolderContents) throws -> FoundSamples {
    let path = contents.path
    let table = try SeparatedTable(path: path)
    guard let imageColumn = table.column("image"), let maskColumn = table.column("mask") else {
      throw FileError(
        path: path, expected: "the columns image and mask",
        found: table.columns.joined(separator: ", "), hint: "name the columns so")
    }
    guard !table.rows.isEmpty else {
      throw FileError(
        .noImages, path: path, expected: "a line for each image",
        found: "the names of columns alone",
        hint: "add the lines")
    }
    let images = table.rows.map { $0[imageColumn] }
    let stems = images.map(Paths.stem)
    let names = Set(stems).count == stems.count ? stems : images.map(longName)
    let (groupColumn, splitColumn) = (table.column("group"), table.column("split"))
    let folder = Paths.folder(of: path)
    @Sendable func place(_ file: String) -> String {
      file.hasPrefix("/") || folder.isEmpty ? file : Paths.join(folder, file)
    }
    /// The samples of some lines.
    @Sendable func samples(_ lines: [(line: Int, part: SamplePart?)]) throws -> [SampleSource] {
      try lines.flatMap { line, part in
        let row = table.rows[line]
        guard !row[imageColumn].isEmpty, !row[maskColumn].isEmpty else {
          throw FileError(
            .imageWithoutMask, path: path, expected: "an image and a mask in line \(line + 2)",
            found: "an empty field", hint: "complete the line or remove it")
        }
        var samples = try SampleSource.pages(
          named: names[line], image: [place(row[imageColumn])], mask: place(row[maskColumn]))
        for index in samples.indices {
          samples[index].part = part
          if let groupColumn, !row[groupColumn].isEmpty { samples[index].group = row[groupColumn] }
        }
        return samples
      }
    }
    var lines: [(line: Int, part: SamplePart?)] = []
    for (line, row) in table.rows.enumerated() {
      switch splitColumn.map({ row[$0].lowercased() }) {
      case nil, "": lines.append((line, nil))
      case let name? where DatasetLayouts.trainingNames.contains(name):
        lines.append((line, .training))
      case let name? where DatasetLayouts.validationNames.contains(name):
        lines.append((line, .validation))
      case let name? where DatasetLayouts.testNames.contains(name): lines.append((line, .test))
      case let other?:
        throw FileError(
          path: path, expected: "train, val or test under split in line \(line + 2)",
          found: "\"\(other)\"", hint: "leave the column out to divide the set at random")
      }
    }
    let silent = lines.indices.filter { lines[$0].part == nil }
    let saysParts = lines.contains { $0.part == .training || $0.part == .validation }
    if saysParts { for line in silent { lines[line].part = .training } }
    var found = FoundSamples(
      sources: try samples(lines.filter { $0.part != .test }),
      classNames: ClassNameSource(in: folder), folders: [])
    if saysParts && !silent.isEmpty {
      found.notes.append(
        "\(path): lines with an empty split, which are trained on: \(silent.count)")
    }
    let testLines = lines.filter { $0.part == .test }
    if !testLines.isEmpty {
      found.test = FoundSamples.TestSamples(
        path: path, note: "\(path): passed over lines of the split test: \(testLines.count)"
      ) {
        FoundSamples(sources: try samples(testLines), folders: [])
      }
    }
    return found
  }

  private static func longName(_ path: String) -> String {
    let folder = Paths.folder(of: path)
    let whole = folder.isEmpty ? Paths.stem(path) : Paths.join(folder, Paths.stem(path))
    return whole.split(separator: "/").filter { $0 != "." && $0 != ".." }.joined(separator: "-")
  }
}
