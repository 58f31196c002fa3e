// The tables of all options as a page in Markdown: docs/options.md.

/// The commands with their options, as tables.
struct OptionTables: CustomStringConvertible {
  let program: CommandReference

  var description: String {
    var page = """
      # Options

      What every command takes, as the program itself tells it: this page is what
      `unet-dist manual --format markdown` prints. Options of `train` can also stand in a YAML file given by
      `--config`, under the same names without dashes; a flag wins over the file.

      """
    for (words, command) in program.flattened().dropFirst() {
      page += "\n## \(words)\n\n\(command.abstract ?? "")\n"
      if let discussion = command.discussion { page += "\n\(discussion)\n" }
      guard !command.ownArguments.isEmpty else { continue }
      page += "\n| option | meaning | default |\n|---|---|---|\n"
      for argument in command.ownArguments { page += Self.row(argument) }
    }
    return page
  }

  private static func row(_ argument: ArgumentReference) -> String {
    let meaning = argument.isOptional ? argument.meaning : "\(argument.meaning) *(required)*"
    let cells = ["`\(argument.usage)`", meaning, argument.defaultText ?? ""]
    // A bar ends a cell, also between backquotes.
    return "| "
      + cells.map { $0.replacing("|", with: "\\|").replacing("\n", with: " ") }
      .joined(separator: " | ") + " |\n"
  }
}
