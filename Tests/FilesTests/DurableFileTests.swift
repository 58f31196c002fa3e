// Files that come into place whole: the old one survives every failure, and nothing is left behind.

import Files
import Foundation
import TestSupport
import Testing

@Suite struct DurableFileTests {
  @Test func createsAndReplaces() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/config.yaml"
      try DurableFile.write("first: 1\n", to: path)
      try DurableFile.write("second: 2\n", to: path)
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "second: 2\n")
      var status = stat()
      #expect(try stat(path, &status) == 0 && Int(status.st_mode & 0o777) == created(0o666))
      try DurableFile.write([UInt8](), to: path)
      #expect(stat(path, &status) == 0 && status.st_size == 0)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["config.yaml"])
    }
  }

  /// Those of killed processes go, but for one that somebody may be writing.
  @Test func whatWasLeftHalfWrittenIsRemoved() throws {
    try withTemporaryFolder { folder in
      let (old, new) = ("\(folder)/.unet-dist-1.partial", "\(folder)/.unet-dist-2.partial")
      for name in [old, new, "\(folder)/other.partial"] { try DurableFile.write("half", to: name) }
      for name in [old, "\(folder)/other.partial"] {
        var times = [timeval](repeating: timeval(tv_sec: 1_000_000, tv_usec: 0), count: 2)
        #expect(utimes(name, &times) == 0)
      }
      // One that is held, be it as old.
      let held = open(old, O_RDWR)
      #expect(held >= 0 && flock(held, LOCK_EX) == 0)
      DurableFile.removePartialFiles(in: folder, unwrittenFor: DurableFile.abandonedAfter)
      #expect(access(old, F_OK) == 0)
      close(held)
      func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      }
      DurableFile.removePartialFiles(in: folder, unwrittenFor: DurableFile.abandonedAfter)
      #expect(try names() == [".unet-dist-2.partial", "other.partial"])
      DurableFile.removePartialFiles(in: folder, unwrittenFor: 0)
      #expect(try names() == ["other.partial"])
    }
  }

  @Test func aLinkIsReplacedAndItsTargetKept() throws {
    try withTemporaryFolder { folder in
      try DurableFile.write("target", to: "\(folder)/target")
      #expect(symlink("target", "\(folder)/link") == 0)
      try DurableFile.write("new", to: "\(folder)/link")
      #expect(try String(contentsOfFile: "\(folder)/target", encoding: .utf8) == "target")
      #expect(try String(contentsOfFile: "\(folder)/link", encoding: .utf8) == "new")
    }
  }

  /// Root may write anywhere, so the folders here are ones in which nobody can.
  @Test func foldersThatCannotBeWritten() throws {
    try withTemporaryFolder { folder in
      try DurableFile.write("a file", to: "\(folder)/file")
      for (path, codes) in [
        ("\(folder)/file/below", [ENOTDIR]), ("\(folder)/absent/file", [ENOENT]),
        ("/proc/unet-dist.yaml", [ENOENT, EACCES, EPERM, EROFS]), ("", [EINVAL]),
        ("\(folder)/nul\u{0}byte", [EINVAL]),
      ] {
        let error = #expect(throws: FileError.self) {
          try DurableFile.write("text", to: path)
        }
        #expect(
          error.map { codes.contains($0.code ?? 0) } == true,
          "\(path): \(String(describing: error))")
        let shown = path.replacing("\u{0}", with: "?")
        #expect(error?.description.hasPrefix("\(shown): cannot ") == true)
      }
      let error = #expect(throws: FileError.self) {
        try SafetensorsFile.write([], metadata: [:], to: "\(folder)/file/below")
      }
      #expect(error?.code == ENOTDIR)
      let start = "\(folder)/file/below: cannot create a temporary file"
      #expect(error?.description.hasPrefix(start) == true)
      #expect(error?.description.contains("Not a directory") == true)
    }
  }

  @Test func aFolderInTheWayLeavesNothingBehind() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/latest"
      try FileManager.default.createDirectory(
        atPath: "\(path)/inside", withIntermediateDirectories: true)
      let error = #expect(throws: FileError.self) {
        try DurableFile.write("text", to: path)
      }
      #expect(error?.code == EISDIR || error?.code == ENOTEMPTY)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["latest"])
    }
  }

  /// A limit on the size of files stops the write in the middle, as a full disk would, for anyone.
  @Test func aFailedWriteKeepsTheOldFile() async {
    await #expect(processExitsWith: .success) {
      try withTemporaryFolder { folder in
        let path = "\(folder)/own.safetensors"
        try writeSample(to: path)
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: 1 << 16, rlim_max: 1 << 16)
        try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
        try expectFailure(EFBIG, path: path, folder: folder)
      }
    }
  }

  /// The same on a file system that is really full; mounting one takes a privilege.
  @Test(.enabled(if: geteuid() == 0)) func aFullDiskKeepsTheOldFile() async {
    await #expect(processExitsWith: .success) {
      try withTemporaryFolder { folder in
        guard mount("tmpfs", folder, "tmpfs", 0, "size=128k") == 0 else {
          print("not tested: this process may not mount a small file system")
          return
        }
        defer { umount2(folder, CInt(MNT_DETACH)) }
        let path = "\(folder)/own.safetensors"
        try writeSample(to: path)
        try expectFailure(ENOSPC, path: path, folder: folder)
      }
    }
  }
}

/// Tries to replace the sample by a file that is too large and looks at what is there afterwards.
private func expectFailure(_ code: CInt, path: String, folder: String) throws {
  let old = try Data(contentsOf: URL(fileURLWithPath: path))
  let values = [Float](repeating: 1, count: 1 << 20)
  let error = #expect(throws: FileError.self) {
    try values.withUnsafeBufferPointer { values in
      try SafetensorsFile.write(
        [.init(name: "large", shape: [values.count], values: values)], metadata: [:], to: path)
    }
  }
  #expect(error?.code == code)
  #expect(error?.description.hasPrefix("\(path): cannot write: ") == true)
  #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == old)
  #expect(
    try FileManager.default.contentsOfDirectory(atPath: folder) == ["own.safetensors"])
}
