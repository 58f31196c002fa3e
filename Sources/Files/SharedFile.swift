// A file as memory that processes write to together, and that outlives them.

import Glibc

/// A file that is mapped for reading and writing, for memory which stays when its process is killed: what was
/// written is there for whoever opens the file next, as long as the host runs.
///
/// A fresh file takes no memory until parts of it are reserved; only these may be touched. While a process has it
/// open, ``UseLock/isInUse(_:)`` says so.
package final class SharedFile: Sendable {
  /// Where it is.
  package let path: String
  /// Its bytes, valid as long as this object.
  ///
  /// Writers agree on who writes where.
  package nonisolated(unsafe) let bytes: UnsafeMutableRawBufferPointer
  private let descriptor: CInt

  /// A new file of `byteCount` zeros that only this user may open.
  ///
  /// - Throws: `FileError` when it cannot be made, or is there already.
  package static func make(_ path: String, byteCount: Int) throws(FileError) -> SharedFile {
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw FileError(path: path, operation: "create", code: errno) }
    do throws(FileError) {
      guard ftruncate(descriptor, off_t(byteCount)) == 0 else {
        throw FileError(path: path, operation: "set the size", code: errno)
      }
      return try SharedFile(path, descriptor: descriptor, byteCount: byteCount)
    } catch {
      unlink(path)
      throw error
    }
  }

  /// The file that another process of this user has made.
  package convenience init(_ path: String, byteCount: Int) throws(FileError) {
    let descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { throw FileError(path: path, operation: "open", code: errno) }
    try self.init(path, descriptor: descriptor, byteCount: byteCount)
  }

  /// Takes over the descriptor, also where it throws.
  private init(_ path: String, descriptor: CInt, byteCount: Int) throws(FileError) {
    do throws(FileError) {
      let found = try Self.ownByteCount(of: descriptor, path: path)
      guard found == byteCount else {
        throw FileError(path: path, expected: "\(byteCount) bytes", found: "\(found)")
      }
      // Waits for whoever only looks whether it is in use. Where there are no locks, files pass for being so anyway.
      while flock(descriptor, LOCK_SH) != 0 && errno == EINTR {}
      let address = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
      guard let address, address != MAP_FAILED else {
        throw FileError(path: path, operation: "map into memory", code: errno)
      }
      bytes = UnsafeMutableRawBufferPointer(start: address, count: byteCount)
    } catch {
      close(descriptor)
      throw error
    }
    self.path = path
    self.descriptor = descriptor
  }

  deinit {
    munmap(bytes.baseAddress, bytes.count)
    close(descriptor)
  }

  /// The bytes of an open file which is this user's alone.
  package static func ownByteCount(of descriptor: CInt, path: String) throws(FileError) -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw FileError(path: path, operation: "examine", code: errno)
    }
    guard status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(),
      status.st_mode & 0o077 == 0
    else {
      throw FileError(
        path: path, expected: "a file that only this user may read and write",
        found: "another one", hint: "remove it")
    }
    return Int(status.st_size)
  }

  /// Takes the memory of `range`, since touching what cannot be had would end the process.
  ///
  /// - Throws: `FileError` where there is no room.
  package func reserve(_ range: Range<Int>) throws(FileError) {
    if range.isEmpty { return }
    var code = posix_fallocate(descriptor, off_t(range.lowerBound), off_t(range.count))
    while code == EINTR {
      code = posix_fallocate(descriptor, off_t(range.lowerBound), off_t(range.count))
    }
    guard code == 0 else { throw FileError(path: path, operation: "reserve memory", code: code) }
  }

  /// Says that the file is of now: writing through a map need not.
  package func touch() { futimens(descriptor, nil) }

  /// Takes the name away; who has the file open keeps it.
  package func removeName() { unlink(path) }
}
