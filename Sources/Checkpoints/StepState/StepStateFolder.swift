// The folder of step states of a host: what is found there, and what is left of runs that are over.

import Files
import Foundation

/// A folder in which runs of a host keep their step states, `/dev/shm` unless told otherwise.
package struct StepStateFolder: Sendable {
  /// Memory as files, which is there on every host.
  package static let usual = "/dev/shm"
  /// What the names of states begin with, before the token of their start.
  static let prefix = "unet-dist-state-"
  /// Seconds after which nobody will come for the states of a run that was not gone on with: a week.
  private static let oldest = 7 * 86_400.0
  /// Seconds for which somebody may come for states whose owner is not to be seen: an hour.
  private static let longestSearch = 3600.0

  package let path: String
  /// This host's name.
  private let host: String

  /// The folder at `path` of the host that calls itself `host`.
  package init(path: String, host: String) {
    self.path = path
    self.host = host
  }

  /// The paths of the files of a start; more than one where a start was killed while another began.
  package func files(of mark: StepStateMark) -> [String] {
    names.filter { $0.hasPrefix("\(Self.prefix)\(mark.token)-") }.sorted().map { "\(path)/\($0)" }
  }

  /// Removes the files of a start.
  package func remove(_ mark: StepStateMark) {
    for file in files(of: mark) { unlink(file) }
  }

  /// Removes the states of this user's runs that are over: of folders that are gone, or that have begun again
  /// or gone on without them; and those that nobody has come for in a week.
  ///
  /// What a process still uses stays, as does what others own.
  package func removeLeftovers() {
    for name in names where name.hasPrefix(Self.prefix) {
      let file = "\(path)/\(name)"
      guard !UseLock.isInUse(file), isOver(file) else { continue }
      unlink(file)
    }
  }

  private func isOver(_ file: String) -> Bool {
    var status = stat()
    guard lstat(file, &status) == 0, status.st_uid == geteuid() else { return false }
    let age = Date().timeIntervalSince1970 - Double(status.st_mtim.tv_sec)
    if age > Self.oldest { return true }
    guard let mark = (try? KeptStates(file))?.layout.mark else {
      // A start that was killed before its header was whole, or another version's.
      return age > Self.longestSearch
    }
    // The folder of a run whose first rank was elsewhere may be on that host's disk.
    guard mark.host == host else { return false }
    guard stat(mark.path, &status) == 0, mark.isOf(status) else {
      // A disk that is not there is no folder that is gone; and a folder may have been moved.
      return Self.device(above: mark.path) == mark.device && age > Self.longestSearch
        && !hasFolderBeside(mark)
    }
    guard let current = StepStateMark.read(in: mark.path, host: host) else {
      // A mark that cannot be read by now says nothing.
      return !StepStateMark.isThere(in: mark.path)
    }
    return current.token != mark.token
  }

  /// Whether a start's folder has another name by now, where it was made.
  private func hasFolderBeside(_ mark: StepStateMark) -> Bool {
    let above = (mark.path as NSString).deletingLastPathComponent
    return ((try? Folder.names(in: above)) ?? []).contains {
      StepStateMark.read(in: "\(above)/\($0)", host: host)?.token == mark.token
    }
  }

  /// The file system of the folders above `path` that there are.
  private static func device(above path: String) -> UInt64? {
    var path = path
    var status = stat()
    repeat {
      path = (path as NSString).deletingLastPathComponent
      if stat(path, &status) == 0 { return UInt64(status.st_dev) }
    } while path != "/" && !path.isEmpty
    return nil
  }

  private var names: [String] { (try? Folder.names(in: path)) ?? [] }
}
