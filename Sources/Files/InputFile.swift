// The one reader of files: opened without blocking, checked to be regular, closed at its end.

import Glibc
import Liveness

/// A regular file that is open for reading.
package struct InputFile: ~Copyable {
  /// The path, as given.
  package let path: String
  /// Bytes of the file when it was opened.
  package let byteCount: Int
  /// The open file, for libraries that read by themselves.
  package let descriptor: CInt

  /// Bytes that are read, and visited, at once: they stay in the cache in between.
  private static let pieceByteCount = 1 << 20

  /// Opens the file at `path`, or what a link there leads to; messages call it `name`, where that is given.
  ///
  /// - Throws: `FileError` when it cannot be opened, or is a folder, pipe or device.
  package init(_ path: String, as name: String? = nil) throws(FileError) {
    // A NUL would cut the path short in C and name another file.
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw FileError(path: path, operation: "use this path", code: EINVAL)
    }
    // Without O_NONBLOCK, opening a pipe would wait for its writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else { throw FileError(path: path, operation: "open", code: errno) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let error = FileError(path: path, operation: "examine", code: errno)
      _ = close(descriptor)
      throw error
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      _ = close(descriptor)
      throw FileError(
        path: path, expected: "a regular file", found: Self.typeName(status.st_mode),
        hint: "give the path of a file")
    }
    self.path = name ?? path
    byteCount = Int(status.st_size)
    self.descriptor = descriptor
  }

  deinit { _ = close(descriptor) }

  /// The next `count` bytes; `visit` sees them in pieces while they are in the cache.
  ///
  /// - Throws: `FileError` when the system refuses, or the file ends before.
  package func read(
    _ count: Int, visit: (UnsafeRawBufferPointer) -> Void = { _ in }
  ) throws(FileError) -> [UInt8] {
    let bytes = try readUpTo(count, visit: visit)
    guard bytes.count == count else {
      throw FileError(
        path: path, expected: "\(byteCount) bytes", found: "fewer",
        hint: "the file was cut short while it was read")
    }
    return bytes
  }

  /// The next `count` bytes, or as many as there are.
  private func readUpTo(
    _ count: Int, visit: (UnsafeRawBufferPointer) -> Void = { _ in }
  ) throws(FileError) -> [UInt8] {
    var code: CInt = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      let raw = UnsafeMutableRawBufferPointer(buffer)
      var done = 0
      while done < count {
        let piece = UnsafeMutableRawBufferPointer(
          rebasing: raw[done..<min(count, done + Self.pieceByteCount)])
        let received = Glibc.read(descriptor, piece.baseAddress, piece.count)
        if received < 0, errno == EINTR { continue }
        if received < 0 { code = errno }
        if received <= 0 { break }
        visit(UnsafeRawBufferPointer(rebasing: piece[..<received]))
        done += received
        Progress.beat()
      }
      initializedCount = done
    }
    guard code == 0 else { throw FileError(path: path, operation: "read", code: code) }
    return bytes
  }

  /// The first `count` bytes, or as many as there are; the place of reading stays.
  package func signature(_ count: Int) throws(FileError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let (received, code) = bytes.withUnsafeMutableBytes { fill($0, from: descriptor, at: 0) }
    guard code == 0 else { throw FileError(path: path, operation: "read", code: code) }
    return Array(bytes.prefix(received))
  }

  /// Fills the buffer with the bytes from `offset` on; the place of reading stays.
  ///
  /// - Throws: `FileError` when the system refuses, or the file ends before.
  package func read(_ bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) {
    let (count, code) = fill(bytes, from: descriptor, at: offset)
    guard code == 0 else { throw FileError(path: path, operation: "read", code: code) }
    guard count == bytes.count else {
      throw FileError(
        path: path, expected: "\(bytes.count) bytes from byte \(offset) on", found: "\(count)",
        hint: "the file is cut short; copy it again from its source")
    }
  }

  /// `count` bytes from `offset` on; the place of reading stays.
  ///
  /// - Throws: `FileError` when the system refuses, or the file ends before.
  package func bytes(at offset: Int, count: Int) throws(FileError) -> [UInt8] {
    var fault: FileError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      do throws(FileError) {
        try read(
          UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count), at: offset)
        initializedCount = count
      } catch { fault = error }
    }
    if let fault { throw fault }
    return bytes
  }

  /// All of a small file, such as a configuration.
  ///
  /// - Throws: `FileError`, also for a file of more than `limit` bytes.
  package static func contents(of path: String, limit: Int) throws(FileError) -> [UInt8] {
    let file = try InputFile(path)
    var bytes: [UInt8] = []
    // One byte more than there should be tells of a file that grows; files of /proc have no size at all.
    var room = file.byteCount + 1
    while bytes.count <= limit {
      let piece = try file.readUpTo(min(room, limit + 1 - bytes.count))
      if piece.isEmpty { break }
      if bytes.isEmpty { bytes = piece } else { bytes += piece }
      room = 1 << 16
    }
    guard bytes.count <= limit else {
      throw FileError(
        .tooLarge, path: path, expected: "at most \(limit) bytes", found: "more",
        hint: "this is another kind of file")
    }
    return bytes
  }

  private static func typeName(_ mode: mode_t) -> String {
    switch mode & S_IFMT {
    case S_IFDIR: "a folder"
    case S_IFIFO: "a pipe"
    case S_IFSOCK: "a socket"
    case S_IFCHR, S_IFBLK: "a device"
    default: "something else"
    }
  }
}
