// How much memory the host has to give, before something large is read into it.

import Glibc

/// The memory that this process could still get.
package enum AvailableMemory {
  /// Bytes: what the system calls available, within the limits of the control group and the process.
  package static var byteCount: Int {
    byteCount { path in
      (try? InputFile.contents(of: path, limit: 1 << 16)).map {
        String(decoding: $0, as: UTF8.self)
      }
    }
  }

  /// The same of a host whose files `read` returns by their paths, nil for those that there are not.
  ///
  /// Control groups are looked at where a container shows its own.
  package static func byteCount(read: (_ path: String) -> String?) -> Int {
    func field(_ path: String, _ name: String) -> Int? {
      let line = read(path)?.split(separator: "\n").first {
        $0.hasPrefix(name + " ") || $0.hasPrefix(name + ":")
      }
      let words = line?.dropFirst(name.count).split { $0 == ":" || $0.isWhitespace }
      return words?.first.flatMap { Int($0) }
    }
    func number(_ path: String) -> Int? {
      read(path)?.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }
    }
    let available = field("/proc/meminfo", "MemAvailable").map { $0 << 10 }
    let group =
      number("/sys/fs/cgroup/memory.max")
      ?? number("/sys/fs/cgroup/memory/memory.limit_in_bytes")
    let space = field("/proc/self/limits", "Max address space").map { limit in
      max(0, limit - (field("/proc/self/status", "VmSize") ?? 0) << 10)
    }
    return [available, group, space].compactMap { $0 }.min() ?? .max
  }

  /// Refuses to read `byteCount` bytes of the file at `path` into memory that there is not.
  package static func check(_ byteCount: Int, path: String) throws(FileError) {
    // Less is always to be had, or its lack is nobody's fault.
    guard byteCount > 1 << 26 else { return }
    let available = self.byteCount
    guard byteCount > available else { return }
    throw FileError(
      .tooLarge, path: path, expected: "at most \(available >> 20) MiB, which memory has room for",
      found: "\(byteCount >> 20) MiB", hint: "take a host with more memory, or check the file")
  }
}
