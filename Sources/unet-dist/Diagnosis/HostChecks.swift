// Checks of a host: its memory, its limits and its disk.

package import Communication
import Files
import Foundation

/// What a host grants a rank, judged.
package enum HostChecks {
  /// Bytes of shared memory that a rank wants for messages to others of its host.
  private static let sharedMemoryByteCount = 16 << 20
  /// Bytes below which a folder for checkpoints is nearly full.
  private static let freeByteCount = 1 << 30

  /// The memory that the rank may take.
  package static func memory(_ budget: MemoryBudget) -> Finding {
    Finding(
      "memory", "\(budget.byteCount >> 20) MiB for this rank, by \(budget.bound)",
      advice: budget.byteCount < 1 << 30 ? budget.remedy : nil)
  }

  /// The room for messages between ranks of the host.
  package static func sharedMemory(freeByteCount: Int?, localRanks: Int) -> Finding {
    guard let freeByteCount else {
      return Finding(
        "/dev/shm", "missing", localRanks > 1 ? .error : .warning,
        advice: "mount it: MPI sends messages between ranks of a host by it")
    }
    let wanted = localRanks > 1 ? localRanks * sharedMemoryByteCount : 0
    return Finding(
      "/dev/shm", "\(freeByteCount >> 20) MiB free",
      advice: freeByteCount < wanted
        ? "give it \(wanted >> 20) MiB or more (of a container: --shm-size)" : nil)
  }

  /// The limits of the process: open files and address space, nil for none.
  package static func limits(openFiles: Int?, addressSpaceByteCount: Int?) -> Finding {
    let space = addressSpaceByteCount.map { "\($0 >> 20) MiB" } ?? "no limit"
    let files = openFiles.map { "\($0)" } ?? "any number"
    let advice: String? =
      if let openFiles, openFiles < 1024 {
        "raise the number of open files: ulimit -n 4096"
      } else if addressSpaceByteCount != nil {
        "lift the limit of address space, of which mapped files take much: ulimit -v unlimited"
      } else { nil }
    return Finding("limits", "\(files) open files, address space \(space)", advice: advice)
  }

  /// What a folder for results has room for, and how fast it keeps what is written.
  package static func disk(
    path: String, freeByteCount: Int, bytesPerSecond: Double
  ) -> Finding {
    let advice: String? =
      if freeByteCount < Self.freeByteCount {
        "free some space: a checkpoint of the paper's network takes 248 MB with momentum"
      } else if bytesPerSecond < 20e6 {
        "save less often (--checkpoint-every), or to another folder"
      } else { nil }
    return Finding(
      "disk",
      "\(freeByteCount.megabytes) free in \(path), written to it at "
        + "\(Int(min(bytesPerSecond, 1e15)).megabytes)/s with fsync", advice: advice)
  }

  // MARK: - Measuring

  /// Bytes free in the file system of a folder; nil where there is none.
  static func freeByteCount(in folder: String) -> Int? {
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else { return nil }
    return Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
  }

  /// The soft limit of a resource; nil for none.
  static func limit(_ resource: Int32) -> Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(UInt32(resource)), &limit) == 0 else { return nil }
    return limit.rlim_cur >= UInt64(Int64.max) ? nil : Int(clamping: limit.rlim_cur)
  }

  /// Bytes a second that reach the disk, by a file of 16 MiB that is removed again.
  ///
  /// - Throws: `FileError` where the folder cannot be written.
  static func writingRate(in folder: String) throws(FileError) -> Double {
    let path = folder + "/.unet-dist-doctor-\(getpid())"
    let bytes = [UInt8](repeating: 0xA5, count: 16 << 20)
    let began = ContinuousClock().now
    defer { unlink(path) }
    try DurableFile.write(bytes, to: path)
    return Double(bytes.count) / max(1e-9, (ContinuousClock().now - began) / .seconds(1))
  }
}
