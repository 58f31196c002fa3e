// `unet-dist manual`.

import ArgumentParser
import Files

/// What the manual can be written as.
enum ManualFormat: String, ExpressibleByArgument, CaseIterable {
  case man
  case markdown
}

struct ManualCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "manual", abstract: "Prints the manual page, or the tables of all options.",
    discussion: """
      By default the page for man, in roff: unet-dist manual > unet-dist.1. As markdown the tables of all \
      options, which docs/options.md is.
      """)

  @Option(help: "man or markdown.")
  var format = ManualFormat.man

  func run() throws {
    try runCommandOnce {
      let program = try CommandReference.ofTheProgram()
      switch format {
      case .man: try printText(ManualPage(program: program).description)
      case .markdown: try printText(OptionTables(program: program).description)
      }
    }
  }
}
