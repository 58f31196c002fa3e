// The lock of a folder that one process at a time writes to.

import Files
import Foundation
import Liveness

/// A folder that this process holds until it ends.
///
/// By flock(2), which the system takes back in any case. Where a file system has no such locks, as some of
/// clusters have not, a file `.lock-holder` says who holds the folder: host, process, when that started. It is
/// removed at the end; what a killed process has left is recognised on its host.
final class FolderLock: Sendable {
  private let descriptor: CInt
  /// The file that says who holds the folder, where there are no locks.
  private let holderPath: String?
  /// What it says.
  private let own: Holder?

  /// Takes the folder.
  ///
  /// - Throws: `FileError` where it cannot be written, or another process holds it.
  init(_ folder: String) throws(FileError) {
    let path = folder + "/.lock"
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw .refused("write to the folder", folder) }
    var result = flock(descriptor, LOCK_EX | LOCK_NB)
    while result != 0 && errno == EINTR { result = flock(descriptor, LOCK_EX | LOCK_NB) }
    if result == 0 {
      (holderPath, own) = (nil, nil)
      return
    }
    let code = errno
    do throws(FileError) {
      switch code {
      case EWOULDBLOCK:
        throw Self.heldError(folder, by: "a run that is", hint: "wait for it to end")
      case ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL:
        let own = Holder()
        holderPath = try Self.takeByFile(folder, own)
        self.own = own
      default:
        throw FileError(path: path, operation: "lock the folder", code: code)
      }
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit {
    // Somebody may have removed it by hand, and another run be there.
    if let holderPath, let own, Self.holder(at: holderPath) == own { unlink(holderPath) }
    close(descriptor)
  }

  private static func heldError(_ folder: String, by holder: String, hint: String) -> FileError {
    FileError(
      path: folder, expected: "a folder that no run is writing to", found: holder,
      hint: "\(hint), or give another --output")
  }
}

// MARK: - Without locks

extension FolderLock {
  /// Who holds a folder.
  private struct Holder: Codable, Equatable {
    var host: String
    var process: Int
    /// When the process started, in ticks of its host, which tells it from a later one of its number.
    var start: Int
    /// When it took the folder, for people.
    var time: String

    /// This process, from now on.
    init() {
      host = ProcessInfo.processInfo.hostName
      process = Int(getpid())
      start = ProcessState(of: process)?.start ?? 0
      time = Date().ISO8601Format()
    }

    /// Whether it is known to have ended.
    var isGone: Bool {
      host == ProcessInfo.processInfo.hostName && ProcessState(of: process)?.start != start
    }
  }

  /// Takes a folder by a file that no other process can have made.
  private static func takeByFile(_ folder: String, _ own: Holder) throws(FileError) -> String {
    let path = folder + "/.lock-holder"
    let text = (try? JSONEncoder().encode(own)) ?? Data()
    // A second time where the first one has met what a killed process has left.
    for _ in 0..<2 {
      let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
      if file >= 0 {
        let count = text.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        guard count == text.count else {
          let error = FileError.refused("write", path)
          close(file)
          unlink(path)
          throw error
        }
        close(file)
        // Another process may have taken this one's file for the one that was left.
        usleep(50_000)
        if holder(at: path) == own { return path }
        break
      }
      guard errno == EEXIST else { throw .refused("create", path) }
      guard let other = holder(at: path), other.isGone else { break }
      // Moved away and looked at again: it may be that of another process by now, which has done the same.
      let aside = "\(path)-\(getpid())"
      guard rename(path, aside) == 0 else { continue }
      let isGone = holder(at: aside) == other
      if !isGone { _ = link(aside, path) }
      unlink(aside)
      if !isGone { break }
    }
    let other = holder(at: path)
    throw heldError(
      folder,
      by: other.map { "process \($0.process) on \($0.host), since \($0.time)" } ?? "a run that is",
      hint: "wait for it to end, or remove \(path) if it has ended")
  }

  /// What a file says of the folder's holder; nil where it cannot be read.
  private static func holder(at path: String) -> Holder? {
    guard let bytes = try? InputFile.contents(of: path, limit: 4096) else { return nil }
    return try? JSONDecoder().decode(Holder.self, from: Data(bytes))
  }
}
