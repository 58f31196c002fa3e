// Text from files, made safe for terminals and logs.

extension String {
  /// This text with its control characters replaced by "?", so that no name or quote from a file moves
  /// a terminal's cursor, colours it or ends a line.
  package var printable: String { replacingControls(but: []) }

  /// The same, but for the ends of lines.
  package var printableLines: String { replacingControls(but: ["\n"]) }

  private func replacingControls(but kept: Set<Unicode.Scalar>) -> String {
    String(
      String.UnicodeScalarView(
        unicodeScalars.map { scalar in
          scalar.properties.generalCategory == .control && !kept.contains(scalar) ? "?" : scalar
        }))
  }
}
