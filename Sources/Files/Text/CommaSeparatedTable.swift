// Reading tables of comma-separated values.

/// A table of comma-separated values (RFC 4180): a line of names, then one line a row.
///
/// A field may stand between double quotes, and then hold commas and doubled quotes, but no line break.
package struct CommaSeparatedTable: Sendable {
  /// The names of the columns.
  package let columns: [String]
  /// The fields of each row, as many as there are columns.
  package let rows: [[String]]

  /// The table in the file at `path`.
  ///
  /// - Throws: `FileError` for a file that is unreadable, larger than `limit` bytes, empty, or has a row of
  ///   another number of fields.
  package init(path: String, limit: Int = 1 << 26) throws(FileError) {
    let text = String(decoding: try InputFile.contents(of: path, limit: limit), as: UTF8.self)
    // Spreadsheets begin a file with a byte-order mark.
    let lineTexts = text.drop { $0 == "\u{FEFF}" }.split(omittingEmptySubsequences: false) {
      $0.isNewline
    }
    if let line = lineTexts.firstIndex(where: { $0.count { $0 == "\"" } % 2 == 1 }) {
      throw FileError(
        path: path, expected: "pairs of double quotes in line \(line + 1)",
        found: "one without another",
        hint: "a field between quotes ends in its line")
    }
    var lines = lineTexts.map(Self.fields)
    while lines.last == [""] { lines.removeLast() }
    guard let columns = lines.first else {
      throw FileError(
        path: path, expected: "a line with the names of columns", found: "nothing",
        hint: "begin the file with a line such as name,group")
    }
    for (index, fields) in lines.enumerated() where fields.count != columns.count {
      throw FileError(
        path: path, expected: "\(columns.count) fields in line \(index + 1), as in the first",
        found: "\(fields.count)", hint: "put fields that hold commas between double quotes")
    }
    self.columns = columns
    rows = Array(lines.dropFirst())
  }

  private static func fields(_ line: Substring) -> [String] {
    var fields = [""]
    var isQuoted = false
    var previous: Character?
    for character in line {
      switch character {
      case "\"":
        // A quote right behind one that closed a field is a doubled one.
        if !isQuoted && previous == "\"" { fields[fields.count - 1].append("\"") }
        isQuoted.toggle()
      case "," where !isQuoted: fields.append("")
      default: fields[fields.count - 1].append(character)
      }
      previous = character
    }
    return fields
  }
}
