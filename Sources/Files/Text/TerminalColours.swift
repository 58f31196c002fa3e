// Colours of what people watch, in terminals alone.

import Glibc

/// Colours for a stream: none where it is no terminal, or where `NO_COLOR` or a dumb terminal says so.
///
/// `NO_COLOR` is what https://no-color.org describes: set and not empty.
package struct TerminalColours: Sendable {
  /// No colours.
  package static let none = TerminalColours(isOn: false)

  private let isOn: Bool

  private init(isOn: Bool) { self.isOn = isOn }

  /// The colours of a stream.
  package init(descriptor: CInt) {
    self.init(isTerminal: isatty(descriptor) == 1) { name in
      getenv(name).map { String(cString: $0) }
    }
  }

  /// The colours of a stream that is a terminal or none, in an environment.
  package init(isTerminal: Bool, variable: (String) -> String?) {
    isOn = isTerminal && (variable("NO_COLOR") ?? "").isEmpty && variable("TERM") != "dumb"
  }

  /// A message, of which the word before the colon is coloured: yellow of a warning, red of an error.
  package func message(_ text: String) -> String {
    for (word, colour) in [("warning:", 33), ("error:", 31), ("critical:", 31)]
    where isOn && text.hasPrefix(word) {
      return coloured(word, colour) + text.dropFirst(word.count)
    }
    return text
  }

  /// A progress bar, of which what is done is green.
  package func bar(_ line: String) -> String {
    guard isOn, line.hasPrefix("[#") else { return line }
    let done = line.dropFirst().prefix { $0 == "#" }
    return "[" + coloured(String(done), 32) + line[done.endIndex...]
  }

  private func coloured(_ text: String, _ colour: Int) -> String {
    "\u{1B}[\(colour)m\(text)\u{1B}[0m"
  }
}
