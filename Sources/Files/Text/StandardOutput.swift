// Printing to standard output, and remarks to standard error.

import Foundation

/// Writes text to standard output in one piece.
package func printText(_ text: String) {
  FileHandle.standardOutput.write(Data(text.utf8))
}

/// Writes a remark to standard error, as one line.
package func printNote(_ text: String) {
  FileHandle.standardError.write(Data("\(text.printable)\n".utf8))
}

/// Writes a warning to standard error, as one line.
package func printWarning(_ text: String) {
  FileHandle.standardError.write(Data("warning: \(text.printable)\n".utf8))
}
