// Which samples belong together, so that none is trained on while its like is validated on.

package import Files

/// The group of each sample: what is never torn apart between training and validation.
///
/// Pages of one file are a group, because neighbouring slices show the same objects. A table may say more,
/// for instance which images were cut from one mosaic.
package struct SampleGroups: Sendable, Equatable {
  /// The name of each sample, by id.
  package let samples: [String]
  /// The name of each sample's group, by id.
  package let names: [String]
  /// The ids of each group, in the order in which groups first occur.
  package let members: [[Int]]
  /// What a table of groups says that does not concern these samples, or nil.
  package private(set) var remark: String?

  private init(samples: [String], names: [String]) {
    self.samples = samples
    self.names = names
    var place: [String: Int] = [:]
    var members: [[Int]] = []
    for (id, name) in names.enumerated() {
      if let known = place[name] {
        members[known].append(id)
      } else {
        place[name] = members.count
        members.append([id])
      }
    }
    self.members = members
  }

  /// Samples of which each is a group of its own.
  package init(single samples: [String]) { self.init(samples: samples, names: samples) }

  /// The samples of an index: pages of one file together, or what the layout of the set has as a group.
  package init(_ index: SampleIndex) {
    self.init(
      samples: index.entries.map(\.name), names: index.entries.map(\.source.group))
  }

  /// The samples of an index, by a table with the columns `name` and `group`.
  ///
  /// A name is that of a sample or, for all its pages, that of a stack without extension. `table` is a path,
  /// or PATH:COLUMN, where the column of groups is called otherwise.
  ///
  /// - Throws: `FileError` for a table without these columns, with two groups for a name, or without one
  ///   for a sample.
  package init(_ index: SampleIndex, table: String) throws(FileError) {
    var (path, column) = (table, "group")
    if !Paths.exists(table), let colon = table.lastIndex(of: ":") {
      (path, column) = (String(table[..<colon]), String(table[table.index(after: colon)...]))
    }
    let file = try SeparatedTable(path: path)
    guard let nameColumn = file.column("name"), let groupColumn = file.column(column)
    else {
      throw FileError(
        path: path, expected: "the columns name and \(column)",
        found: file.columns.joined(separator: ", "),
        hint: "name the columns so, or give FILE:COLUMN")
    }
    var groupOf: [String: String] = [:]
    for row in file.rows {
      let (name, group) = (row[nameColumn], row[groupColumn])
      if let other = groupOf.updateValue(group, forKey: name), other != group {
        throw FileError(
          path: path, expected: "one group for \(name)", found: "\(other) and \(group)",
          hint: "correct the table")
      }
    }
    var names: [String] = []
    var used: Set<String> = []
    for entry in index.entries {
      let candidates = [entry.name, entry.source.group, Paths.stem(entry.imagePath)]
      guard let name = candidates.first(where: { groupOf[$0] != nil }), let group = groupOf[name]
      else {
        throw FileError(
          path: path, expected: "a group for the sample \(entry.name)", found: "none",
          hint: "add a line for it")
      }
      used.insert(name)
      names.append(group)
    }
    self.init(samples: index.entries.map(\.name), names: names)
    let strangers = groupOf.count - used.count
    if strangers > 0 {
      remark =
        "\(path): \(strangers) of its \(groupOf.count) names are no samples of this set, and are passed over"
    }
  }
}
