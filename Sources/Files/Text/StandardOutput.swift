// What commands print.

import Foundation

/// Writes text to standard output in one piece.
package func printText(_ text: String) {
  FileHandle.standardOutput.write(Data(text.utf8))
}
