// The limits of control groups, read from files like the kernel's.

import Communication
import Testing

@Suite struct ProcessorLimitTests {
  private static let unifiedMount =
    "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
  private static let processorMount =
    "33 20 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:12 - cgroup cgroup rw,cpu,cpuacct\n"

  @Test func smallestLimitAboveCounts() {
    let files = [
      "/proc/self/cgroup": "0::/batch/job\n", "/proc/self/mountinfo": Self.unifiedMount,
      "/sys/fs/cgroup/batch/job/cpu.max": "max 100000\n",
      "/sys/fs/cgroup/batch/cpu.max": "250000 100000\n",
    ]
    #expect(ProcessorLimit.cores { files[$0] } == 2.5)
  }

  @Test func versionOneCounts() {
    let files = [
      "/proc/self/cgroup": "3:cpuset:/\n2:cpu,cpuacct:/job\n0::/\n",
      "/proc/self/mountinfo": Self.unifiedMount + Self.processorMount,
      "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "400000\n",
      "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
      "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
      "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    ]
    #expect(ProcessorLimit.cores { files[$0] } == 4)
  }

  /// A container sees its own group as the root and is told the path that the host knows.
  @Test func aContainersOwnLimitCounts() {
    let files = [
      "/proc/self/cgroup": "0::/docker/abc\n",
      "/proc/self/mountinfo": "30 20 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
      "/sys/fs/cgroup/cpu.max": "150000 100000\n",
    ]
    #expect(ProcessorLimit.cores { files[$0] } == 1.5)
  }

  @Test func noLimitIsNil() {
    let files = ["/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": Self.unifiedMount]
    #expect(ProcessorLimit.cores { files[$0] } == nil)
    #expect(ProcessorLimit.cores { _ in nil } == nil)
  }
}
