// The processor time that a control group grants, in cores.

import Foundation

/// The limit that a container or a batch system has set on the processor time of this process.
package enum ProcessorLimit {
  /// The smallest limit of this process's control group and those around it, in cores.
  ///
  /// Reads version 2 (`cpu.max`) and version 1 (`cpu.cfs_quota_us`) of the interface; nil without
  /// a limit. `root` is the file system's root.
  package static func cores(root: String = "/") -> Double? {
    guard let groups = text(root + "/proc/self/cgroup") else { return nil }
    let limits = groups.split(separator: "\n").flatMap { line -> [Double] in
      // One line a hierarchy: number, controllers, path.
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { return [] }
      let folders = ancestors(of: String(fields[2]))
      if fields[1].isEmpty {
        return ["", "unified/"].flatMap { mount in
          folders.compactMap { unifiedLimit(in: "\(root)/sys/fs/cgroup/\(mount)\($0)") }
        }
      }
      guard fields[1].split(separator: ",").contains("cpu") else { return [] }
      return folders.compactMap { quotaLimit(in: "\(root)/sys/fs/cgroup/\(fields[1])/\($0)") }
    }
    return limits.min()
  }

  /// "a/b", "a" and "" for "/a/b".
  private static func ancestors(of path: String) -> [String] {
    let names = path.split(separator: "/")
    return (0...names.count).reversed().map { names.prefix($0).joined(separator: "/") }
  }

  /// `cpu.max` is quota and period in microseconds, or "max" for the quota.
  private static func unifiedLimit(in folder: String) -> Double? {
    let numbers = (text(folder + "/cpu.max") ?? "").split { $0.isWhitespace }.map { Double($0) }
    guard numbers.count == 2, let quota = numbers[0], let period = numbers[1] else { return nil }
    return quota > 0 && period > 0 ? quota / period : nil
  }

  /// Version 1 has a file for each; a quota of -1 is none.
  private static func quotaLimit(in folder: String) -> Double? {
    let numbers = ["quota", "period"].map { name in
      (text("\(folder)/cpu.cfs_\(name)_us") ?? "").split { $0.isWhitespace }.first
        .flatMap { Double($0) }
    }
    guard let quota = numbers[0], let period = numbers[1] else { return nil }
    return quota > 0 && period > 0 ? quota / period : nil
  }

  private static func text(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }
}
