// Arguments are text in UTF-8, or refused before anything is made of them.

import ArgumentParser
import Foundation

/// The encoding of the command's arguments.
///
/// Swift replaces bytes that are no UTF-8 text, so that a name with some of them would be another file's.
enum ArgumentEncoding {
  /// Refuses arguments that are no UTF-8 text.
  ///
  /// A command that goes on beside files that cannot be read (`--keep-going`) lists such files itself.
  static func check() throws {
    let keepsGoing = CommandLine.arguments.contains("--keep-going")
    for place in CommandLine.arguments.indices.dropFirst() {
      guard let bytes = CommandLine.unsafeArgv[place], String(validatingCString: bytes) == nil,
        !(keepsGoing && isFile(bytes))
      else { continue }
      let text = CommandLine.arguments[place]
      throw ValidationError(
        "arguments: expected text in UTF-8, found \"\(text)\", in another encoding; rename what it names "
          + "(convmv renames whole folders)")
    }
  }

  private static func isFile(_ path: UnsafePointer<CChar>) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }
}
