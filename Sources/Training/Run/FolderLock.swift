// The lock of a folder that one process at a time writes to.

import Files
import Foundation
import Liveness
import Synchronization

/// A folder that this process holds until it ends.
///
/// By flock(2), which the system takes back in any case. Where a file system has no such locks, as some of
/// clusters have not, a file `.lock-holder` says who holds the folder: host, process, when that started. It is
/// touched every minute and removed at the end; what a killed process has left is recognised on its host at once,
/// and on others when it was not touched for five minutes.
final class FolderLock: Sendable {
  private let descriptor: CInt
  /// The file that says who holds the folder, where there are no locks.
  private let holderFile: HolderFile?

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
      holderFile = nil
      return
    }
    let code = errno
    do throws(FileError) {
      switch code {
      case EWOULDBLOCK:
        throw Self.heldError(folder, by: "a run that is", hint: "wait for it to end")
      case ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL:
        holderFile = try HolderFile(in: folder, clock: descriptor)
      default:
        throw FileError(path: path, operation: "lock the folder", code: code)
      }
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit {
    holderFile?.remove()
    close(descriptor)
  }

  fileprivate static func heldError(_ folder: String, by holder: String, hint: String) -> FileError
  {
    FileError(
      path: folder, expected: "a folder that no run is writing to", found: holder,
      hint: "\(hint), or give another --output")
  }
}

// MARK: - Without locks

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

  /// What a file says of the folder's holder; nil where it cannot be read.
  init?(at path: String) {
    guard let bytes = try? InputFile.contents(of: path, limit: 4096),
      let holder = try? JSONDecoder().decode(Holder.self, from: Data(bytes))
    else { return nil }
    self = holder
  }

  /// Whether it is on this host.
  var isHere: Bool { host == ProcessInfo.processInfo.hostName }
  /// Whether it, a process of this host, has ended.
  var hasEnded: Bool { ProcessState(of: process)?.start != start }
}

/// The file that says who holds a folder, while it is this process.
private final class HolderFile: Sendable {
  /// Seconds from one touch to the next.
  private static let secondsBetweenTouches = 60
  /// Seconds without a touch after which the holder, on another host, is taken for dead.
  private static let longestSilence = 300

  private let path: String
  private let own: Holder
  private let isOver = Mutex(false)

  /// Takes a folder by a file that no other process can have made.
  ///
  /// - Parameter clock: a file in the folder, which tells the time of its file system.
  init(in folder: String, clock: CInt) throws(FileError) {
    path = folder + "/.lock-holder"
    own = Holder()
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
        if Holder(at: path) == own {
          keepTouching()
          return
        }
        break
      }
      guard errno == EEXIST else { throw .refused("create", path) }
      guard let other = Holder(at: path), Self.isGone(other, path: path, clock: clock) else {
        break
      }
      // Moved away and looked at again: it may be that of another process by now, which has done the same.
      let aside = "\(path)-\(getpid())"
      guard rename(path, aside) == 0 else { continue }
      let isGone = Holder(at: aside) == other
      if !isGone { _ = link(aside, path) }
      unlink(aside)
      if !isGone { break }
    }
    let other = Holder(at: path)
    throw FolderLock.heldError(
      folder,
      by: other.map { "process \($0.process) on \($0.host), since \($0.time)" } ?? "a run that is",
      hint: "wait for it to end, or for \(Self.longestSilence / 60) minutes if its host is dead")
  }

  /// Takes the file away.
  func remove() {
    isOver.withLock { $0 = true }
    // Somebody may have removed it by hand, and another run be there.
    if Holder(at: path) == own { unlink(path) }
  }

  /// Whether a holder has ended, as far as can be known.
  private static func isGone(_ holder: Holder, path: String, clock: CInt) -> Bool {
    if holder.isHere { return holder.hasEnded }
    // By the clock of the file system, which both hosts have in common.
    var (now, touched) = (stat(), stat())
    guard futimens(clock, nil) == 0, fstat(clock, &now) == 0, stat(path, &touched) == 0 else {
      return false
    }
    return now.st_mtim.tv_sec - touched.st_mtim.tv_sec > longestSilence
  }

  /// Touches the file from a thread of its own, and ends the process where another one has taken its place.
  private func keepTouching() {
    Thread.detachNewThread { [weak self] in
      var seconds = 0
      while true {
        sleep(1)
        guard let self, !self.isOver.withLock({ $0 }) else { return }
        seconds += 1
        guard seconds.isMultiple(of: Self.secondsBetweenTouches) else { continue }
        if let other = Holder(at: self.path), other != self.own {
          // After a halt of minutes: two must not write to one folder.
          let message =
            "error: \(self.path): expected this run, found process \(other.process) on \(other.host), "
            + "which has taken the folder while this one stood still"
          WatchedStream.standardError.write(message.printable + "\n")
          WatchedStream.standardError.flush()
          _exit(JobStatus.stalled.rawValue)
        }
        utimensat(AT_FDCWD, self.path, nil, AT_SYMLINK_NOFOLLOW)
      }
    }
  }
}
