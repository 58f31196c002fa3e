// A configuration file: a flat YAML mapping from option names to values.

import Files
import Foundation
import Yams

/// The settings of a configuration file, checked for form but not yet for values.
///
/// The file is one mapping whose keys are option names and whose values are scalars, or lists for
/// options that take lists. Aliases are refused, since nothing here needs them and a few hundred
/// bytes of them can stand for gigabytes; so are files above one megabyte.
package struct ConfigurationFile {
  /// One line of the file.
  struct Setting {
    let option: TrainingOption
    let text: String
    let origin: ConfigurationError.Origin
    var name: String { option.name }

    /// The setting in today's words, of a file that a run has written.
    ///
    /// Runs write strengths behind every step that has some, so `rotate` alone is from before there
    /// were any: the quarter turns of then.
    var ofToday: Setting {
      guard name == "augment" else { return self }
      let items = listItems(text).map { $0 == "rotate" ? "rotate90" : $0 }
      return Setting(option: option, text: items.joined(separator: ","), origin: origin)
    }
  }

  /// The greatest accepted size in bytes.
  package static let sizeLimit = 1 << 20
  /// The greatest accepted number of asterisks: each alias has one, and the parser expands aliases
  /// before they can be refused, so this bounds what it can be made to do.
  static let asteriskLimit = 8

  let settings: [Setting]
  /// Why options are as they are, where a run has written the file; nil of a file by hand.
  let remarks: [String: String]?

  /// Reads the file at `path`.
  init(path: String) throws(ConfigurationError) {
    try self.init(yaml: Self.contents(path: path), path: path)
  }

  /// Reads the text of a file; `path` names it in errors.
  init(yaml: String, path: String) throws(ConfigurationError) {
    let origin = ConfigurationError.Origin(file: path)
    // Some editors begin a file with a byte order mark, which is no part of it.
    let yaml =
      yaml.unicodeScalars.first == "\u{FEFF}" ? String(yaml.unicodeScalars.dropFirst()) : yaml
    guard yaml.utf8.count <= Self.sizeLimit else { throw Self.tooLarge(path: path) }
    guard yaml.utf8.count(where: { $0 == UInt8(ascii: "*") }) <= Self.asteriskLimit else {
      throw ConfigurationError(
        option: nil, expected: "no aliases, and at most \(Self.asteriskLimit) asterisks",
        found: "more", hint: "write the values out", origin: origin)
    }
    let parser: Parser
    let root: Node?
    do {
      parser = try Parser(yaml: yaml, encoding: .utf8)
      root = try parser.singleRoot()
    } catch {
      throw Self.malformed(error, path: path)
    }
    // Nodes refer to their anchors weakly; the parser owns them.
    defer { withExtendedLifetime(parser) {} }
    guard case .mapping(let mapping) = root else {
      throw ConfigurationError(
        option: nil, expected: "a mapping from option names to values",
        found: root.map(Self.kind) ?? "nothing", hint: "write lines such as \"base-channels: 16\"",
        origin: origin)
    }
    var lines: [String: Int] = [:]
    var settings: [Setting] = []
    for (key, value) in mapping {
      let setting = try Self.setting(key: key, value: value, path: path)
      if let earlier = lines[setting.name] {
        throw ConfigurationError(
          option: setting.name, expected: "each option once",
          found: "a second value (the first is on line \(earlier))", origin: setting.origin)
      }
      lines[setting.name] = setting.origin.line ?? 0
      // `resume: false` is how a file says what the absent flag says.
      if setting.name == "resume" && setting.text == "false" { continue }
      settings.append(setting)
    }
    self.settings = settings
    remarks = Self.remarks(in: yaml)
  }

  /// The first line of a file that a run has written.
  static let heading =
    "# The options of a training run; `unet-dist train --config THIS --output NEW`\n"
  /// How the line of an option that is not by default so begins.
  static let remarkMark = "#   "

  private static func remarks(in yaml: String) -> [String: String]? {
    guard yaml.hasPrefix(heading) else { return nil }
    var remarks: [String: String] = [:]
    for line in yaml.split(separator: "\n") where line.hasPrefix(remarkMark) {
      let parts = line.dropFirst(remarkMark.count).split(separator: ": ", maxSplits: 1)
      if parts.count == 2 { remarks[String(parts[0])] = String(parts[1]) }
    }
    return remarks
  }
}

// MARK: - Reading

extension ConfigurationFile {
  private static func contents(path: String) throws(ConfigurationError) -> String {
    func unreadable(_ found: String) -> ConfigurationError {
      ConfigurationError(
        option: "config", expected: "a readable file", found: "\(path): \(found)",
        hint: "give the path of a YAML file")
    }
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try InputFile.contents(of: path, limit: sizeLimit)
    } catch {
      throw error.kind == .tooLarge ? tooLarge(path: path) : unreadable(error.found)
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw unreadable("not UTF-8 text")
    }
    return text
  }

  private static func setting(
    key: Node, value: Node, path: String
  ) throws(ConfigurationError) -> Setting {
    let origin = ConfigurationError.Origin(file: path, line: key.mark?.line)
    guard case .scalar(let scalar) = key else {
      throw ConfigurationError(
        option: nil, expected: "an option name", found: kind(key), origin: origin)
    }
    let items = if case .sequence(let items) = value { Array(items) } else { [Node]() }
    // An alias is no longer visible here, but what it stands for carries its anchor.
    if ([key, value] + items).contains(where: { $0.anchor != nil }) {
      throw ConfigurationError(
        option: nil, expected: "no anchors or aliases", found: "one",
        hint: "write the value out, or between quotes if it is meant as it stands",
        origin: origin)
    }
    let name = scalar.string
    guard let option = TrainingOption.named(name) else {
      throw ConfigurationError(
        option: nil, expected: "an option of train", found: quoted(name),
        hint: TrainingOption.suggestion(for: name), origin: origin)
    }
    let expected = option.isList ? "a value or a list of values" : "a single value"
    func wrong(_ found: String) -> ConfigurationError {
      ConfigurationError(
        option: option.name, expected: expected, found: found, origin: origin)
    }
    switch value {
    case .scalar(let scalar):
      guard value.tag != Tag(.null) else {
        var error = wrong("nothing")
        error.hint = "leave the line out to take the default"
        throw error
      }
      return Setting(option: option, text: scalar.string, origin: origin)
    case .sequence(let items) where option.isList:
      var texts: [String] = []
      for item in items {
        guard case .scalar(let scalar) = item else { throw wrong("\(kind(item)) within the list") }
        texts.append(scalar.string)
      }
      return Setting(option: option, text: texts.joined(separator: ","), origin: origin)
    default:
      throw wrong(kind(value))
    }
  }

  private static func kind(_ node: Node) -> String {
    switch node {
    case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : quoted(scalar.string)
    case .sequence: "a list"
    case .mapping: "a mapping"
    case .alias: "an alias"
    }
  }
}

// MARK: - Errors

extension ConfigurationFile {
  private static func tooLarge(path: String) -> ConfigurationError {
    ConfigurationError(
      option: nil, expected: "at most \(sizeLimit) bytes", found: "more",
      hint: "give a file of options, not of data", origin: .init(file: path))
  }

  private static func malformed(_ error: any Error, path: String) -> ConfigurationError {
    var origin = ConfigurationError.Origin(file: path)
    guard let error = error as? YamlError else {
      return ConfigurationError(
        option: nil, expected: "YAML", found: "\(error)", origin: origin)
    }
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      origin.line = mark.line
      return ConfigurationError(
        option: nil, expected: "YAML", found: "an error: \(problem)", origin: origin)
    case .duplicatedKeysInMapping(let names, let context):
      origin.line = context.mark.line
      return ConfigurationError(
        option: names.first, expected: "each option once", found: "it more than once",
        origin: origin)
    default:
      return ConfigurationError(
        option: nil, expected: "YAML", found: "text that is none", origin: origin)
    }
  }
}

extension TrainingOption {
  /// A hint with the known name nearest to `name`.
  static func suggestion(for name: String) -> String {
    let nearest = all.map { (name: $0.name, distance: editDistance(name, $0.name)) }
      .min { $0.distance < $1.distance }
    guard let nearest, nearest.distance <= max(2, name.count / 2) else {
      return "`unet-dist train --help` lists the options"
    }
    return "did you mean \(nearest.name)?"
  }

  /// The least number of letters to insert, delete or replace that makes one word the other.
  private static func editDistance(_ first: String, _ second: String) -> Int {
    // A name longer than any option's is as far as can be; the table below stays small.
    guard first.count <= 64 else { return Int.max }
    let second = Array(second)
    var row = Array(0...second.count)
    for (i, letter) in first.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for j in second.indices {
        let replaced = diagonal + (second[j] == letter ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
      }
    }
    return row[second.count]
  }
}
