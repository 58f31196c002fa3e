// How much memory a host has to give, by made-up files of /proc and /sys.

import Files
import Testing

@Suite struct AvailableMemoryTests {
  private let meminfo = "MemTotal:       4096 kB\nMemAvailable:    2048 kB\n"

  private func byteCount(_ files: [String: String]) -> Int {
    AvailableMemory.byteCount { files[$0] }
  }

  @Test func theSmallestBoundDecides() {
    #expect(byteCount([:]) == .max)
    #expect(byteCount(["/proc/meminfo": meminfo]) == 2048 << 10)
    #expect(
      byteCount(["/proc/meminfo": meminfo, "/sys/fs/cgroup/memory.max": "1000\n"]) == 1000)
    #expect(
      byteCount(["/proc/meminfo": meminfo, "/sys/fs/cgroup/memory.max": "max\n"]) == 2048 << 10)
    let limits =
      "Limit                     Soft Limit           Hard Limit           Units\n"
      + "Max address space         1048576              unlimited            bytes\n"
    #expect(
      byteCount([
        "/proc/meminfo": meminfo, "/proc/self/limits": limits,
        "/proc/self/status": "Name:\tx\nVmSize:\t     24 kB\n",
      ]) == 1_048_576 - 24 << 10)
  }

  @Test func thisHostHasSome() { #expect(AvailableMemory.byteCount > 1 << 20) }

  @Test func whatDoesNotFitIsRefused() throws {
    try AvailableMemory.check(1 << 20, path: "small")
    let error = try #require(throws: FileError.self) {
      try AvailableMemory.check(1 << 50, path: "large")
    }
    #expect(error.kind == .tooLarge && error.path == "large")
  }
}
