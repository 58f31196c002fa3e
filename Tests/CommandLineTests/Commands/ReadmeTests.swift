// The README against the program.

import Configuration
import Foundation
import Testing

@Suite struct ReadmeTests {
  @Test func theTableOfOptionsIsThatOfTheProgram() throws {
    let root = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let readme = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
    for option in TrainingOption.all {
      let value =
        option.standsAlone
        ? "[\(option.valueName)]" : option.valueName
      var row = "| `--\(option.name) \(value)` | \(option.help)"
      // Defaults that depend on other options are part of the help.
      if row.hasSuffix(")") { row = String(row.dropLast()) }
      row = row.replacingOccurrences(of: " (default: ", with: " | ")
      if let text = option.defaultText { row += " | \(text)" }
      #expect(readme.contains(row + " |"), "\(row)")
    }
  }
}
