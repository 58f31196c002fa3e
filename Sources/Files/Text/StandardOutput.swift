// Printing to standard output, and warnings to standard error.

import Foundation

/// Writes text to standard output in one piece.
package func printText(_ text: String) {
  FileHandle.standardOutput.write(Data(text.utf8))
}

/// Writes a warning to standard error, as one line.
package func printWarning(_ text: String) {
  FileHandle.standardError.write(Data("warning: \(text.printable)\n".utf8))
}
