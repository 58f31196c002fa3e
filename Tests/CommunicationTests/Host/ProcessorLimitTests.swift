// The limits of control groups, read from files like the kernel's.

import Communication
import Foundation
import Testing

@Suite struct ProcessorLimitTests {
  /// Files as the kernel shows them, below a folder in place of the root.
  private func limit(_ files: [String: String]) throws -> Double? {
    let root = FileManager.default.temporaryDirectory
      .appendingPathComponent("processor-limit-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: root) }
    for (path, content) in files {
      let file = root.appendingPathComponent(path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(content.utf8).write(to: file)
    }
    return ProcessorLimit.cores(root: root.path)
  }

  @Test func smallestLimitAboveCounts() throws {
    let limit = try limit([
      "proc/self/cgroup": "0::/batch/job\n",
      "sys/fs/cgroup/batch/job/cpu.max": "max 100000\n",
      "sys/fs/cgroup/batch/cpu.max": "250000 100000\n",
    ])
    #expect(limit == 2.5)
  }

  @Test func versionOneCounts() throws {
    let limit = try limit([
      "proc/self/cgroup": "3:cpuset:/\n2:cpu,cpuacct:/job\n0::/\n",
      "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "400000\n",
      "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    ])
    #expect(limit == 4)
  }

  @Test func noLimitIsNil() throws {
    #expect(try limit(["proc/self/cgroup": "0::/\n"]) == nil)
    #expect(try limit([:]) == nil)
  }
}
