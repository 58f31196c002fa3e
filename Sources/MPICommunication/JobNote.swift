// What a job tells the script that has started it, where the launcher's status does not.

import Foundation
import Glibc

/// A word that a rank leaves in the file which a variable names, a line each.
///
/// A launcher that fails says the same whether it was stopped, could not start a rank, or a rank has failed.
enum JobNote: String {
  /// The ranks have come together.
  case joined
  /// A rank has told an error.
  case error

  /// The variable that names the file; Scripts/supervise sets it.
  static let variable = "UNET_DIST_NOTES"

  /// Leaves the word, where somebody asks for it and sees the same file system.
  func leave(in environment: [String: String] = ProcessInfo.processInfo.environment) {
    guard let path = environment[Self.variable], !path.isEmpty else { return }
    let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o666)
    guard file >= 0 else { return }
    let line = Array((rawValue + "\n").utf8)
    _ = write(file, line, line.count)
    close(file)
  }
}
