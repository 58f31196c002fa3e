// Reading tables of values between commas, semicolons or tabs.

/// A table of text: a line of names, then one line a row, each of fields between commas (RFC 4180), semicolons or
/// tabs, as the first line has them.
///
/// A field may stand between double quotes, and then hold separators and doubled quotes, but no line break. Blanks
/// around a field are none of it.
package struct SeparatedTable: Sendable {
  /// The names of the columns.
  package let columns: [String]
  /// The fields of each row, as many as there are columns.
  package let rows: [[String]]

  /// What may stand between fields, with its name.
  private static let separators: [(character: Character, name: String)] = [
    (",", "commas"), (";", "semicolons"), ("\t", "tabs"),
  ]

  /// The table in the file at `path`.
  ///
  /// - Throws: `FileError` for a file that is unreadable, larger than `limit` bytes, in another encoding than
  ///   UTF-8, empty, has two separators in its first line, or a row of another number of fields.
  package init(path: String, limit: Int = 1 << 26) throws(FileError) {
    let text = try Self.text(path: path, limit: limit)
    let lineTexts = text.split(omittingEmptySubsequences: false) { $0.isNewline }
    if let line = lineTexts.firstIndex(where: { $0.count { $0 == "\"" } % 2 == 1 }) {
      throw FileError(
        path: path, expected: "pairs of double quotes in line \(line + 1)",
        found: "one without another",
        hint: "a field between quotes ends in its line")
    }
    let separator = try Self.separator(of: lineTexts.first ?? "", path: path)
    var lines = lineTexts.map { Self.fields($0, separator: separator.character) }
    // A line of blanks, or of separators alone, is what spreadsheets leave behind at the end.
    while let last = lines.last, last.allSatisfy(\.isEmpty) { lines.removeLast() }
    guard let columns = lines.first else {
      throw FileError(
        path: path, expected: "a line with the names of columns", found: "nothing",
        hint: "begin the file with a line such as name,group")
    }
    for (index, fields) in lines.enumerated() where fields.count != columns.count {
      throw FileError(
        path: path, expected: "\(columns.count) fields in line \(index + 1), as in the first",
        found: "\(fields.count)",
        hint: "put fields that hold \(separator.name) between double quotes")
    }
    self.columns = columns
    rows = Array(lines.dropFirst())
  }

  /// The place of the column of this name, whose case does not matter where no other is exactly so; nil where
  /// there is none, or several.
  package func column(_ name: String) -> Int? {
    if let place = columns.firstIndex(of: name) { return place }
    let places = columns.indices.filter { columns[$0].lowercased() == name.lowercased() }
    return places.count == 1 ? places[0] : nil
  }

  /// The text of a file, without the mark that spreadsheets begin it with.
  private static func text(path: String, limit: Int) throws(FileError) -> Substring {
    let bytes = try InputFile.contents(of: path, limit: limit)
    let isWide =
      bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
      || bytes.prefix(2).contains(0)
    guard !isWide else {
      throw FileError(
        path: path, expected: "text in UTF-8", found: "UTF-16",
        hint: "save it as CSV in UTF-8, or convert it by iconv -f UTF-16 -t UTF-8")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      let repaired = String(decoding: bytes, as: UTF8.self)
      let lines = repaired.split(omittingEmptySubsequences: false) { $0.isNewline }
      let line = lines.firstIndex { $0.contains("\u{FFFD}") } ?? 0
      throw FileError(
        path: path, expected: "text in UTF-8",
        found: "line \(line + 1) in another encoding: \(lines[line].prefix(80))",
        hint:
          "save the table in UTF-8; names of files that are in another encoding too are renamed by convmv"
      )
    }
    return text.drop { $0 == "\u{FEFF}" }
  }

  /// What stands between the fields of the first line; a comma where there is but one.
  private static func separator(
    of line: Substring, path: String
  ) throws(FileError) -> (character: Character, name: String) {
    var isQuoted = false
    var outside: Set<Character> = []
    for character in line {
      if character == "\"" { isQuoted.toggle() }
      if !isQuoted { outside.insert(character) }
    }
    let found = separators.filter { outside.contains($0.character) }
    guard found.count <= 1 else {
      throw FileError(
        path: path, expected: "commas, semicolons or tabs between the names in line 1",
        found: found.map(\.name).joined(separator: " and "),
        hint: "put names that hold one of them between double quotes")
    }
    return found.first ?? separators[0]
  }

  private static func fields(_ line: Substring, separator: Character) -> [String] {
    var fields = [""]
    var blanks = ""
    var isQuoted = false
    var previous: Character?
    for character in line {
      switch character {
      case "\"":
        // A quote right behind one that closed a field is a doubled one.
        if !isQuoted && previous == "\"" { fields[fields.count - 1].append("\"") }
        isQuoted.toggle()
        blanks = ""
      case separator where !isQuoted:
        fields.append("")
        blanks = ""
      case " " where !isQuoted, "\t" where !isQuoted:
        // Of the field where more of it follows.
        if !fields[fields.count - 1].isEmpty { blanks.append(character) }
      default:
        fields[fields.count - 1] += blanks
        fields[fields.count - 1].append(character)
        blanks = ""
      }
      previous = character
    }
    return fields
  }
}
