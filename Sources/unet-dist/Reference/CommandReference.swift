// What the commands and their options are: read from the parser's own description of the program.

import ArgumentParser
import Configuration
import Foundation

/// A command with its arguments and the commands below it.
struct CommandReference: Decodable {
  let commandName: String
  let abstract: String?
  let discussion: String?
  private let shouldDisplay: Bool?
  private let subcommands: [CommandReference]?
  private let arguments: [ArgumentReference]?

  /// The commands below it, but for `help`, which explains itself, and those that are for scripts.
  var commands: [CommandReference] {
    (subcommands ?? []).filter { $0.commandName != "help" && $0.shouldDisplay != false }
  }

  /// Its arguments, but for those that every command has.
  var ownArguments: [ArgumentReference] {
    (arguments ?? []).filter { $0.shouldDisplay && !["help", "version"].contains($0.longName) }
  }

  /// The program, with all of its commands.
  ///
  /// - Throws: what decoding throws, where the parser describes itself in another way.
  static func ofTheProgram() throws -> CommandReference {
    try JSONDecoder().decode(Description.self, from: Data(UNetDist._dumpHelp().utf8)).command
  }

  /// This command and all below it that do something, each with its words on the command line.
  func flattened(below words: String? = nil) -> [(words: String, command: CommandReference)] {
    let own = words.map { "\($0) \(commandName)" } ?? commandName
    return [(own, self)] + commands.flatMap { $0.flattened(below: own) }
  }

  private struct Description: Decodable { let command: CommandReference }
}

/// An option, a flag or a positional argument of a command.
struct ArgumentReference: Decodable {
  private struct Name: Decodable { let name: String }

  private let kind: String
  private let preferredName: Name?
  private let valueName: String?
  private let defaultValue: String?
  private let abstract: String?
  let shouldDisplay: Bool
  let isOptional: Bool
  let isRepeating: Bool

  /// The name without dashes; nil of a positional argument.
  var longName: String? { preferredName?.name }

  /// The argument as it is written: `--seed SEED`, `--json`, `INPUTS...`.
  var usage: String {
    let value = (valueName ?? "value").uppercased()
    guard let longName else { return isRepeating ? "\(value)..." : value }
    return kind == "flag" ? "--\(longName)" : "--\(longName) \(standsAlone ? "[\(value)]" : value)"
  }

  /// What it means, without its default.
  var meaning: String { described.meaning }

  /// Its default; nil where there is none.
  var defaultText: String? { described.default }

  /// Whether the option may stand without a value.
  private var standsAlone: Bool {
    // The parser does not tell, and only options of the table do.
    guard let option = longName.flatMap({ TrainingOption.named($0) }) else { return false }
    return option.standsAlone && option.valueName == valueName
  }

  /// Meaning and default; of options of the table the default is part of the text.
  private var described: (meaning: String, default: String?) {
    let text = abstract ?? ""
    let mark = " (default: "
    guard text.hasSuffix(")"), let range = text.range(of: mark, options: .backwards) else {
      return (text, kind == "flag" ? nil : defaultValue)
    }
    return (String(text[..<range.lowerBound]), String(text[range.upperBound...].dropLast()))
  }
}
