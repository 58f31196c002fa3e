// The error of a wrong option, from the command line or from a configuration file.

import Communication

/// An option, or a configuration file, that cannot be used as it stands.
package struct ConfigurationError: Error, Equatable, Sendable {
  /// The place in a configuration file that a value came from.
  package struct Origin: Equatable, Sendable {
    /// The path of the file, as the user gave it.
    package var file: String
    /// The line, from 1; nil where the whole file is meant.
    package var line: Int?
    /// Whether the file holds options, and is no image or checkpoint that does not go with them.
    package var holdsOptions: Bool

    /// A place in `file`.
    package init(file: String, line: Int? = nil, holdsOptions: Bool = true) {
      self.file = file
      self.line = line
      self.holdsOptions = holdsOptions
    }
  }

  /// The name of the option without dashes; nil where the file as a whole is wrong.
  package var option: String?
  /// What would have been right.
  package var expected: String
  /// What was there instead.
  package var found: String
  /// What to do about it.
  package var hint: String?
  /// Where the value came from; nil is the command line.
  package var origin: Origin?

  /// An error from its parts.
  package init(
    option: String?, expected: String, found: String, hint: String? = nil, origin: Origin? = nil
  ) {
    self.option = option
    self.expected = expected
    self.found = found
    self.hint = hint
    self.origin = origin
  }
}

extension ConfigurationError: ArgumentFault {
  package var isUsage: Bool { option != nil || origin?.holdsOptions ?? false }
}

extension ConfigurationError: CustomStringConvertible {
  /// One line: place, option, what was expected and found, and what to do.
  package var description: String {
    var place = ""
    if let origin {
      place = origin.file + (origin.line.map { ":\($0)" } ?? "") + ": "
    }
    // An option in a file is written without dashes, so it is shown as it stands there.
    if let option { place += (origin == nil ? "--" : "") + option + ": " }
    return "\(place)expected \(expected), found \(found)" + (hint.map { "; \($0)" } ?? "")
  }
}
