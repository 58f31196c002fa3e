// The processor time that a control group grants, in cores.

/// The limit that a container or a batch system has set on the processor time of this process.
package enum ProcessorLimit {
  /// The smallest limit of this process's control group and those around it, in cores.
  ///
  /// Reads version 2 (`cpu.max`) and version 1 (`cpu.cfs_quota_us`) of the interface; nil without
  /// a limit. `read` returns the files of the host by their paths, nil for those that there are not.
  package static func cores(read: (_ path: String) -> String?) -> Double? {
    ControlGroups.folders(
      controller: "cpu", groups: read("/proc/self/cgroup") ?? "",
      mounts: read("/proc/self/mountinfo") ?? ""
    ).compactMap { folder in
      folder.isUnified ? unifiedLimit(in: folder, read) : quotaLimit(in: folder, read)
    }.min()
  }

  /// `cpu.max` is quota and period in microseconds, or "max" for the quota.
  private static func unifiedLimit(
    in folder: ControlGroups.Folder, _ read: (_ path: String) -> String?
  ) -> Double? {
    let numbers = (read(folder.path + "/cpu.max") ?? "").split { $0.isWhitespace }
      .map { Double($0) }
    guard numbers.count == 2, let quota = numbers[0], let period = numbers[1] else { return nil }
    return quota > 0 && period > 0 ? quota / period : nil
  }

  /// Version 1 has a file for each; a quota of -1 is none.
  private static func quotaLimit(
    in folder: ControlGroups.Folder, _ read: (_ path: String) -> String?
  ) -> Double? {
    func number(_ name: String) -> Double? {
      (read("\(folder.path)/cpu.cfs_\(name)_us") ?? "").split { $0.isWhitespace }.first
        .flatMap { Double($0) }
    }
    guard let quota = number("quota"), let period = number("period") else { return nil }
    return quota > 0 && period > 0 ? quota / period : nil
  }
}
