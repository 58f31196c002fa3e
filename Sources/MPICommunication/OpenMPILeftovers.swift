// What jobs of Open MPI leave on a host when they are killed.

import Files
import Foundation
import Liveness

/// The files of dead jobs of this user: segments of memory that ranks of a host shared, and folders of sessions.
///
/// `mpirun` removes them at a job's end, but not when it is killed itself, and the segments take memory for ever.
package enum OpenMPILeftovers {
  /// Removes those that are certainly nobody's any more.
  ///
  /// - Parameters:
  ///   - memory: the folder of segments, `vader_segment.HOST.USER.JOB.RANK`.
  ///   - temporary: the folder of sessions, `ompi.HOST.USER/pid.LAUNCHER`.
  ///   - age: seconds that they must be old: a job that begins may not have mapped its segments yet.
  package static func remove(
    memory: String = "/dev/shm", temporary: String, host: String, age: Double = 60
  ) {
    let user = geteuid()
    func isOldAndOwn(_ path: String) -> Bool {
      var status = stat()
      return lstat(path, &status) == 0 && status.st_uid == user
        && Date().timeIntervalSince1970 - Double(status.st_mtim.tv_sec) >= age
    }
    let segments = names(in: memory).filter { $0.hasPrefix("vader_segment.\(host).") }
      .map { "\(memory)/\($0)" }.filter(isOldAndOwn)
    if !segments.isEmpty, let mapped = mappedFiles(of: user) {
      for path in segments where !mapped.contains(path) { unlink(path) }
    }
    let sessions = "\(temporary)/ompi.\(host).\(user)"
    for name in names(in: sessions) where name.hasPrefix("pid.") {
      let path = "\(sessions)/\(name)"
      guard let launcher = Int(name.dropFirst(4)), ProcessState(of: launcher) == nil,
        isOldAndOwn(path)
      else { continue }
      try? FileManager.default.removeItem(atPath: path)
    }
  }

  private static func names(in folder: String) -> [String] { (try? Folder.names(in: folder)) ?? [] }

  /// The files in shared memory that processes of a user have mapped; nil where that cannot be seen.
  private static func mappedFiles(of user: uid_t) -> Set<String>? {
    var found: Set<String> = []
    for name in names(in: "/proc") where Int(name) != nil {
      var status = stat()
      guard stat("/proc/\(name)", &status) == 0, status.st_uid == user else { continue }
      // Names of files are bytes, and not always UTF-8.
      guard let bytes = SystemFile.contents(of: "/proc/\(name)/maps") else {
        // It has ended meanwhile, or hides what it does, as the first process of a system may, which is no rank.
        if name != "1", ProcessState(of: Int(name) ?? 0)?.hasEnded == false { return nil }
        continue
      }
      let text = String(decoding: bytes, as: UTF8.self)
      for line in text.split(separator: "\n") where line.contains("vader_segment.") {
        // Five columns, and the path, which has no spaces.
        if let path = line.split(separator: " ").dropFirst(5).first { found.insert(String(path)) }
      }
    }
    return found
  }
}
