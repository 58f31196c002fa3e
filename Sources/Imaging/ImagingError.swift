// The one error here: which file, what was expected, what was found, what to do.

import Files

/// A file that could not be read or written as an image.
///
/// The description is one line of text that is safe to print: names and quotes from files have
/// their control characters replaced.
package struct ImagingError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The file, as the caller named it.
  package let path: String
  /// What would have been right.
  package let expected: String
  /// What was there instead.
  package let found: String
  /// What to do about it.
  package let hint: String

  /// An error from its parts.
  package init(path: String, expected: String, found: String, hint: String) {
    self.path = path
    self.expected = expected
    self.found = found
    self.hint = hint
  }

  /// One message naming the file, what was expected, what was found and what to do.
  package var description: String {
    // A file name may hold terminal control sequences as well as a file's contents may.
    "\(path): expected \(expected), found \(found); \(hint)".printable
  }
}
