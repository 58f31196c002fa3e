// Tables for people: columns of text, aligned.

/// Rows of cells; the first column is set to the left, the others to the right.
package struct TextTable {
  private var rows: [[String]]

  /// A table with these headings.
  package init(_ headings: [String]) { rows = [headings] }

  /// Adds a row of as many cells as there are headings.
  package mutating func add(_ cells: [String]) { rows.append(cells) }

  /// The lines, each with its end.
  package var text: String {
    let widths = (0..<(rows.first?.count ?? 0)).map { column in
      rows.map { $0[column].count }.max() ?? 0
    }
    return rows.map { row in
      let cells = zip(row, widths).enumerated().map { column, cell in
        let space = String(repeating: " ", count: cell.1 - cell.0.count)
        return column == 0 ? cell.0 + space : space + cell.0
      }
      var line = cells.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line + "\n"
    }.joined()
  }
}
