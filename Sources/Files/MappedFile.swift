// Files as memory, which all processes share that map them.

import Glibc

/// A file that is mapped into memory for reading: its pages are read when they are touched, and shared
/// by all processes of a host.
///
/// The file must not be cut while it is mapped; it may be removed. Any thread may read at any time.
package final class MappedFile: Sendable {
  /// The bytes of the file, valid as long as this object.
  package nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

  /// The file at `path`.
  ///
  /// - Throws: `FileError` when it cannot be opened or mapped, or has not `byteCount` bytes.
  package init(_ path: String, byteCount: Int) throws(FileError) {
    let file = try InputFile(path)
    guard file.byteCount == byteCount else {
      throw FileError(
        path: path, expected: "\(byteCount) bytes", found: "\(file.byteCount)",
        hint: "remove it, so that it is made anew")
    }
    guard byteCount > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    let address = mmap(nil, byteCount, PROT_READ, MAP_SHARED, file.descriptor, 0)
    guard let address, address != MAP_FAILED else {
      throw FileError(path: path, operation: "map into memory", code: errno)
    }
    bytes = UnsafeRawBufferPointer(start: address, count: byteCount)
  }

  deinit {
    guard let address = bytes.baseAddress else { return }
    munmap(UnsafeMutableRawPointer(mutating: address), bytes.count)
  }
}
