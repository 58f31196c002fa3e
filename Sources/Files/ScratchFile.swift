// A file for what does not fit into memory, gone with the process.

import Foundation

/// A file without a name in the system's temporary folder (`TMPDIR`).
///
/// Its name is removed as soon as it is made, so nothing stays behind however the process ends. Any
/// thread may read and write at any time.
package final class ScratchFile: Sendable {
  /// The name it had, for messages.
  private let path: String
  /// The open file, for libraries that write by themselves.
  package let descriptor: CInt

  /// An empty file.
  ///
  /// - Throws: `FileError` when there is no temporary folder that can be written.
  package init() throws(FileError) {
    let folder = FileManager.default.temporaryDirectory.path
    var name = Array((folder + "/unet-dist-XXXXXX").utf8CString)
    descriptor = mkstemp(&name)
    guard descriptor >= 0 else {
      throw FileError(path: folder, operation: "make a temporary file", code: errno)
    }
    path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    _ = unlink(path)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
  }

  deinit { _ = close(descriptor) }

  /// The same file opened once more, with a place of its own, for libraries that read by themselves; messages
  /// call it `name`.
  ///
  /// - Throws: `FileError` where the system does not allow that.
  package func reopened(as name: String? = nil) throws(FileError) -> InputFile {
    try InputFile("/proc/self/fd/\(descriptor)", as: name)
  }

  /// Writes all bytes at `offset`.
  ///
  /// - Throws: `FileError` when the system refuses, as where the file system is full.
  package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
    var done = 0
    while done < bytes.count {
      let written = pwrite(
        descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else {
        throw FileError(path: path, operation: "write a temporary file", code: errno)
      }
      done += written
    }
  }

  /// Fills the buffer with the bytes at `offset`.
  ///
  /// - Throws: `FileError` when the system refuses, or they were never written.
  package func read(_ bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) {
    let (count, code) = fill(bytes, from: descriptor, at: offset)
    guard count == bytes.count else {
      throw FileError(
        path: path, operation: "read a temporary file", code: code == 0 ? ENODATA : code)
    }
  }
}
