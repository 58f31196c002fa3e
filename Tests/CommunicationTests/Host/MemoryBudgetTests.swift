// The memory that a rank may take, from what the kernel tells of a host.

import Communication
import Testing

struct MemoryBudgetTests {
  private static let gibibyte = 1 << 30
  private static let meminfo = "MemTotal:       8388608 kB\nMemFree:         100 kB\n"
  private static let unified = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
  private static let split =
    "31 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    + "32 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

  private func budget(_ files: [String: String], localRanks: Int = 1) -> MemoryBudget {
    MemoryBudget(localRanks: localRanks, pageByteCount: 4096) { files[$0] }
  }

  @Test func physicalMemoryIsDividedAmongTheRanksOfAHost() {
    let alone = budget(["/proc/meminfo": Self.meminfo])
    #expect(alone.byteCount == 8 * Self.gibibyte)
    #expect(alone.bound == "physical memory (8192 MiB)")
    let four = budget(["/proc/meminfo": Self.meminfo], localRanks: 4)
    #expect(four.byteCount == 2 * Self.gibibyte)
    #expect(four.bound == "physical memory (8192 MiB, shared by 4 ranks)")
    #expect(four.remedy == "start fewer ranks a host")
  }

  @Test func theSmallestLimitOnTheWayUpCounts() {
    let files = [
      "/proc/meminfo": Self.meminfo, "/proc/self/cgroup": "0::/slice/job/step\n",
      "/proc/self/mountinfo": Self.unified,
      "/sys/fs/cgroup/slice/job/step/memory.max": "max\n",
      "/sys/fs/cgroup/slice/job/memory.max": "3221225472\n",
      "/sys/fs/cgroup/slice/memory.max": "6442450944\n",
    ]
    let found = budget(files, localRanks: 2)
    #expect(found.byteCount == 3 * Self.gibibyte / 2)
    #expect(
      found.bound
        == "the control group's limit /sys/fs/cgroup/slice/job/memory.max (3072 MiB, shared by 2 ranks)"
    )
  }

  @Test func versionOneHasItsOwnHierarchy() {
    var files = [
      "/proc/meminfo": Self.meminfo,
      "/proc/self/cgroup": "5:cpu,cpuacct:/other\n4:memory:/job\n",
      "/proc/self/mountinfo": Self.split,
      "/sys/fs/cgroup/memory/job/memory.limit_in_bytes": "1073741824\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    ]
    #expect(budget(files).byteCount == Self.gibibyte)
    // The number near 2^63 is how version 1 says that there is no limit.
    files["/sys/fs/cgroup/memory/job/memory.limit_in_bytes"] = "9223372036854771712\n"
    #expect(budget(files).byteCount == 8 * Self.gibibyte)
  }

  @Test func processLimitsAreEachRanksOwnLessWhatIsInUse() {
    let limits = """
      Limit                     Soft Limit           Hard Limit           Units
      Max data size             unlimited            unlimited            bytes
      Max address space         2147483648           unlimited            bytes

      """
    let found = budget(
      [
        "/proc/meminfo": Self.meminfo, "/proc/self/limits": limits,
        "/proc/self/statm": "131072 1 1 1 0 1000 0\n",
      ], localRanks: 2)
    #expect(found.byteCount == 3 * Self.gibibyte / 2)
    #expect(found.bound == "ulimit -v (2048 MiB, 512 MiB of them in use)")
    #expect(found.remedy == "raise ulimit -v")
  }

  @Test func whatCannotBeReadIsNoBound() {
    #expect(budget([:]).byteCount == .max)
    #expect(
      budget([
        "/proc/meminfo": "MemTotal: many\n", "/proc/self/cgroup": "nonsense\n",
        "/proc/self/mountinfo": "1 2 3\n", "/proc/self/limits": "Max address space\n",
      ]).byteCount == .max)
  }
}
