// The options of `train` on the command line, one for each row of the table of options.

import ArgumentParser
package import Configuration

/// The flags of `train`: the rows of the table of options, and `--config`.
///
/// Values stay text here. They are read by the table, as those of a file are, so that both accept
/// the same and complain alike. The parser finds a command's options by reflection, so the mirror
/// shows it one for each row, and none has to be declared beside the table.
package struct TrainOptions: ParsableArguments, CustomReflectable {
  /// The path of the file of options, if one was given.
  private(set) var config: String?
  /// The values of the flags that were given, by option name.
  private var flags: [String: String] = [:]

  package init() {}

  /// The options that the parser has found.
  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    func value(_ name: String) throws -> String? {
      try values.decode(Option<String?>.self, forKey: Key(stringValue: name)).wrappedValue
    }
    config = try value(Self.configName)
    for option in TrainingOption.all { flags[option.name] = try value(option.name) }
  }

  /// What the parser sees: an option for the file, and one for each row of the table.
  package var customMirror: Mirror {
    let file = Option<String?>(
      name: .customLong(Self.configName),
      help: ArgumentHelp(
        "a YAML file of these options, named as here without dashes; flags win over it",
        valueName: "FILE"),
      completion: .file())
    let children =
      [(Self.configName, file)] + TrainingOption.all.map { ($0.name, Self.argument($0)) }
    return Mirror(self, children: children.map { Mirror.Child(label: $0.0, value: $0.1) })
  }

  private static let configName = "config"

  private static func argument(_ option: TrainingOption) -> Option<String?> {
    let byDefault = option.defaultText.map { " (default: \($0))" } ?? ""
    let help = ArgumentHelp("\(option.help)\(byDefault)", valueName: option.valueName)
    let name = NameSpecification.customLong(option.name)
    let completion: CompletionKind? =
      switch option.valueName {
      case _ where !option.values.isEmpty: .list(option.values)
      case "DIR": .directory
      case "FILE", "PATH": .file()
      default: nil
      }
    // The table reads from an empty text what a flag without a value says.
    return option.standsAlone
      ? Option(
        name: name, defaultAsFlag: "", parsing: .next, help: help, completion: completion)
      : Option(name: name, help: help, completion: completion)
  }

  /// An option's name as the parser keys its value.
  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }
}

extension TrainOptions {
  /// The configuration that these flags, and the file they name, ask for.
  package func configuration() throws -> TrainingConfiguration {
    try TrainingConfiguration(file: config, flags: flags)
  }

  /// The same options of a run that goes on: its length and weights were settled when it began.
  ///
  /// - Parameter output: the run's folder, which the file of options may have named.
  func resuming(in output: String) -> TrainOptions {
    var options = self
    options.config = nil
    options.flags["output"] = output
    for name in ["minutes", "load", "resume-or-start"] { options.flags[name] = nil }
    options.flags["resume"] = ""
    return options
  }

  /// The configuration that these flags and the text of a file ask for; `file` names it in errors.
  func configuration(yaml: String, file: String) throws -> TrainingConfiguration {
    try TrainingConfiguration(yaml: yaml, file: file, flags: flags)
  }
}
