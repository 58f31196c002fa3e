// What is wrong with arguments, in the form that all messages have.

package import ArgumentParser
import Configuration

/// The parser's words for a mistake, as "what: expected X, found Y; what to do".
///
/// What it does not know stays as it is, but for the capital letter and the full stop.
package struct UsageMessage: CustomStringConvertible {
  package let description: String

  /// A message for the parser's `text` about the arguments of `command`, such as `unet-dist train`.
  package init(_ text: String, command: String) {
    description = Self.form(text, help: "see \(command) --help")
  }

  /// The words of the command that arguments name, and of the parts that it has.
  package static func command(
    of arguments: some Sequence<String>, from root: any ParsableCommand.Type
  ) -> String {
    var (type, words) = (root, [root._commandName])
    for argument in arguments {
      guard let next = type.configuration.subcommands.first(where: { $0._commandName == argument })
      else { break }
      type = next
      words.append(argument)
    }
    return words.joined(separator: " ")
  }

  private static func form(_ text: String, help: String) -> String {
    if let match = text.wholeMatch(of: badValue) {
      let words = match.name.split(separator: " ", maxSplits: 1)
      let expected = expectation(rest: match.rest, valueName: words.last ?? "")
      return "\(words.first ?? ""): expected \(expected), found \(quoted(match.value))"
    }
    if let match = text.wholeMatch(of: missing) {
      return "\(match.name): expected a value, found none; \(help)"
    }
    if let match = text.wholeMatch(of: unknownOption) {
      let hint = match.other.map { "did you mean \($0)?" } ?? help
      return "\(match.name): expected an option that the command has, found none of this name; "
        + hint
    }
    if let match = text.wholeMatch(of: valueOfFlag) {
      return "\(match.name): expected no value, found \(quoted(match.value)); \(help)"
    }
    if let match = text.wholeMatch(of: unexpected) {
      let values = match.values.split(separator: "', '", omittingEmptySubsequences: false)
      return "arguments: expected no more, found "
        + "\(values.map { quoted($0) }.joined(separator: ", ")); \(help)"
    }
    let sentence = text.hasSuffix(".") ? text.dropLast() : text[...]
    return sentence.prefix(1).lowercased() + sentence.dropFirst()
  }

  // The parser's messages.

  private static var badValue:
    Regex<(Substring, value: Substring, name: Substring, rest: Substring)>
  {
    /The value '(?<value>.*)' is invalid for '(?<name>[^']*)'(?<rest>.*)/.dotMatchesNewlines()
  }
  private static var missing: Regex<(Substring, name: Substring)> {
    /Missing (?:expected argument|value for) '(?<name>[^' ]*).*/
  }
  private static var unknownOption: Regex<(Substring, name: Substring, other: Substring?)> {
    /Unknown option '(?<name>[^']*)'(?:\. Did you mean '(?<other>[^']*)'\?)?/
  }
  private static var valueOfFlag: Regex<(Substring, name: Substring, value: Substring)> {
    /The option '(?<name>.*)' does not take any value, but '(?<value>.*)' was specified\./
  }
  private static var unexpected: Regex<(Substring, values: Substring)> {
    /(?:Unexpected argument|[0-9]+ unexpected arguments:) '(?<values>.*)'/
  }

  /// What a value should have been: one of the names that the parser lists, or of the sort that the name of the
  /// value tells, which is a whole number where it tells nothing.
  private static func expectation(rest: Substring, valueName: Substring) -> String {
    if let match = rest.wholeMatch(of: /: (?<words>.*)/) { return String(match.words) }
    let names = rest.matches(of: /'([^']*)'|\n  - (.*)/).map { $0.1 ?? $0.2 ?? "" }
    if !names.isEmpty { return "one of " + names.joined(separator: ", ") }
    let sort = valueName.filter { $0 != "<" && $0 != ">" }
    if sort.contains("|") {
      return sort.split(separator: "|").map { $0 == "value" ? "a number from 0 to 1" : String($0) }
        .joined(separator: " or ")
    }
    return sort == "number" ? "a number" : "a whole number"
  }
}

/// What was found: numbers as they are, other text between quotation marks.
package func quoted(_ text: some StringProtocol) -> String {
  Double(text) == nil ? "\"\(text)\"" : String(text)
}

extension ValidationError {
  /// A mistake about an option, named without dashes, in the form of all messages.
  init(_ option: String, expected: String, found: String, hint: String? = nil) {
    self.init(
      ConfigurationError(option: option, expected: expected, found: found, hint: hint).description)
  }

  /// Refuses a number beyond what makes sense; nil is none.
  static func check(_ option: String, _ value: Int?, in range: ClosedRange<Int>) throws {
    guard let value, !range.contains(value) else { return }
    throw ValidationError(
      option, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)",
      found: "\(value)")
  }
}
