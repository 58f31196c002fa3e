// How much memory a rank may take, and what sets the bound.

import Foundation

/// The memory that a rank may take from the moment when this is measured.
///
/// Physical memory and the limits of control groups, as containers and batch systems set them, are
/// divided among the ranks of a host; the limits on address space and data (`ulimit -v` and `-d`)
/// are each process's own, and what it has taken already comes off.
package struct MemoryBudget: Sendable, Equatable {
  /// Bytes that this rank may take.
  package let byteCount: Int
  /// What sets the bound, for messages, for example "ulimit -v (1953 MiB, 310 MiB of them in use)".
  package let bound: String
  /// What to do where that is too little.
  package let remedy: String

  /// The budget of this rank; not collective.
  package static func measure(for communicator: any Communicator) -> MemoryBudget {
    MemoryBudget(
      localRanks: communicator.localSize, pageByteCount: Int(getpagesize()),
      read: ControlGroups.text)
  }

  /// The budget of one of `localRanks` ranks on a host whose files `read` returns by their paths,
  /// nil for those that there are not.
  package init(localRanks: Int, pageByteCount: Int, read: (_ path: String) -> String?) {
    var bounds: [(byteCount: Int, name: String, remedy: String)] = []
    let shared = localRanks > 1 ? ", shared by \(localRanks) ranks" : ""
    func addShared(_ byteCount: Int, _ name: String) {
      bounds.append(
        (
          byteCount / max(1, localRanks), "\(name) (\(byteCount >> 20) MiB\(shared))",
          localRanks > 1 ? "start fewer ranks a host" : "take a host with more memory"
        ))
    }
    if let total = Self.physicalByteCount(read("/proc/meminfo") ?? "") {
      addShared(total, "physical memory")
    }
    let folders = ControlGroups.folders(
      controller: "memory", groups: read("/proc/self/cgroup") ?? "",
      mounts: read("/proc/self/mountinfo") ?? "")
    for folder in folders {
      let path = folder.path + (folder.isUnified ? "/memory.max" : "/memory.limit_in_bytes")
      if let limit = Self.controlGroupByteCount(read(path) ?? "") {
        addShared(limit, "the control group's limit \(path)")
      }
    }

    let limits = read("/proc/self/limits") ?? ""
    let pages = (read("/proc/self/statm") ?? "").split { $0.isWhitespace }.map { Int($0) ?? 0 }
    // Of the seven numbers the first is the address space, and the sixth data and stack.
    for (name, row, place) in [
      ("ulimit -v", "Max address space", 0), ("ulimit -d", "Max data size", 5),
    ] {
      guard let limit = Self.processByteCount(row, limits) else { continue }
      let used = pages.indices.contains(place) ? pages[place] * pageByteCount : 0
      bounds.append(
        (
          max(0, limit - used), "\(name) (\(limit >> 20) MiB, \(used >> 20) MiB of them in use)",
          "raise \(name)"
        ))
    }
    let smallest = bounds.min { $0.byteCount < $1.byteCount }
    (byteCount, bound, remedy) =
      smallest ?? (.max, "nothing", "take a host with more memory")
  }

  /// "MemTotal:       65843080 kB" in `/proc/meminfo`.
  private static func physicalByteCount(_ content: String) -> Int? {
    for line in content.split(separator: "\n") where line.hasPrefix("MemTotal:") {
      let fields = line.split { $0.isWhitespace }
      return fields.count > 1 ? Int(fields[1]).map { $0 << 10 } : nil
    }
    return nil
  }

  /// A number of bytes; nil for "max", and for the number near 2^63 that means none in version 1.
  private static func controlGroupByteCount(_ content: String) -> Int? {
    guard let word = content.split(whereSeparator: \.isWhitespace).first, let count = Int(word)
    else { return nil }
    return count >= 0 && count < 1 << 60 ? count : nil
  }

  /// The soft limit of a row of `/proc/self/limits`; nil for "unlimited".
  private static func processByteCount(_ row: String, _ content: String) -> Int? {
    for line in content.split(separator: "\n") where line.hasPrefix(row + " ") {
      return line.dropFirst(row.count).split { $0.isWhitespace }.first.flatMap { Int($0) }
    }
    return nil
  }
}
