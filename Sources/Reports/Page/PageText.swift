// Text from data as text of a page: no file name or class can become markup.

import Files
import Mustache

/// How a page escapes what it is given.
///
/// It goes by scalars. By characters, as Mustache's own HTML does, a quotation mark with an accent behind it would
/// pass as another character, and end an attribute.
struct PageText: MustacheContentType {
  /// The name by which templates ask for it.
  static let name = "PAGE"

  func escapeText(_ text: String) -> String { text.escapedForPage }
}

extension String {
  /// This text with what has a meaning in HTML replaced, and without control characters.
  package var escapedForPage: String {
    var result = ""
    for scalar in printableLines.unicodeScalars {
      switch scalar {
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "&": result += "&amp;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
