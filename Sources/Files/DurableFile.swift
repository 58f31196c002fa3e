// Writing files so that a crash leaves either the old file or the new one, never half of one.

import CWriting
import Glibc
import Liveness

/// Whole files, written so that no crash, full disk or power cut leaves half of one.
///
/// The bytes go to a new temporary file in the same folder, which is flushed to the disk and then
/// renamed over `path`; last, the folder is flushed. Until the rename the old file is untouched.
/// If anything fails, the temporary file is removed. The umask decides who may read the file. A process that is killed
/// in between leaves a file named `.unet-dist-HEX.partial`, which no program reads, and a later one removes.
package enum DurableFile {
  /// Replaces the file at `path`, or creates it, with `bytes`.
  ///
  /// A symbolic link at `path` is replaced, not followed.
  ///
  /// - Parameter isFlushed: Whether the bytes are forced to the disk. Pictures can be made again, and
  ///   a synchronised write for each is slow; whoever reads meanwhile sees a whole file either way.
  /// - Throws: `FileError` with the path and the system's reason. The old file is still whole.
  package static func write(
    _ bytes: UnsafeRawBufferPointer, to path: String, isFlushed: Bool = true
  ) throws(FileError) {
    var writer = try DurableFileWriter(path: path, isFlushed: isFlushed)
    try writer.append(bytes)
    try writer.commit()
  }

  /// Replaces the file at `path`, or creates it, with `bytes`.
  package static func write(
    _ bytes: [UInt8], to path: String, isFlushed: Bool = true
  ) throws(FileError) {
    var writer = try DurableFileWriter(path: path, isFlushed: isFlushed)
    try bytes.span.withUnsafeBytes { (buffer) throws(FileError) in try writer.append(buffer) }
    try writer.commit()
  }

  /// Replaces the file at `path`, or creates it, with `text` as UTF-8.
  package static func write(
    _ text: String, to path: String, isFlushed: Bool = true
  ) throws(FileError) {
    try write(Array(text.utf8), to: path, isFlushed: isFlushed)
  }

  /// Removes what killed processes of this user have left half written in a folder.
  ///
  /// - Parameter age: the seconds for which it must not have been written to; whoever has the folder to
  ///   himself gives 0, and removes what others have left too.
  package static func removePartialFiles(in folder: String, unwrittenFor age: Double) {
    for name in (try? Folder.listing(folder))?.files ?? []
    where name.hasPrefix(prefix) && name.hasSuffix(suffix) {
      let path = folder + "/" + name
      let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
      guard file >= 0 else { continue }
      defer { close(file) }
      var status = stat()
      guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
      // Whoever writes it holds it, where the file system has locks.
      let isOld =
        status.st_uid == geteuid() && Double(time(nil) - status.st_mtim.tv_sec) >= age
        && (flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
      if age <= 0 || isOld { unlink(path) }
    }
  }

  /// Seconds after which a file that is not written to is taken for a dead process's, where others may write too.
  package static let abandonedAfter = 3600.0

  fileprivate static let prefix = ".unet-dist-"
  fileprivate static let suffix = ".partial"
}

/// A file on its way: bytes are appended to a temporary file, which `commit` puts in its place.
///
/// Dropping the writer without `commit` removes the temporary file.
package struct DurableFileWriter: ~Copyable {
  private let path: String
  private let folder: String
  private let temporaryPath: String
  private let isFlushed: Bool
  /// The open file, for libraries that write, and read what they wrote, by themselves.
  package private(set) var descriptor: CInt
  private var isRenamed = false

  /// Bytes given to one call of `write`; Linux takes at most 2 GiB at once.
  private static let largestWrite = 1 << 26
  /// Bytes that are forced to the disk at once, so that no flush takes longer than a watch may wait.
  private static let largestFlush = 1 << 28
  /// Bytes of which it pays to begin the writing.
  private static let leastBegun = 1 << 24
  private var unflushedByteCount = 0
  private var byteCount = 0
  /// Those of the bytes that the system was told to write.
  private var begunByteCount = 0

  /// Creates the temporary file beside `path`.
  package init(path: String, isFlushed: Bool = true) throws(FileError) {
    // A NUL would cut the path short in C and name another file.
    guard !path.utf8.contains(0), !path.isEmpty else {
      throw FileError(path: path, operation: "use this path", code: EINVAL)
    }
    let folder: String
    if let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) {
      folder = slash == path.startIndex ? "/" : String(path[..<slash])
    } else {
      folder = "."
    }
    var temporaryPath = ""
    var descriptor: CInt = -1
    // O_EXCL never opens what another process made; a name that is taken is drawn again.
    for _ in 0..<16 {
      let tag = String(UInt64.random(in: .min ... .max), radix: 16)
      temporaryPath = folder + "/" + DurableFile.prefix + tag + DurableFile.suffix
      descriptor = open(temporaryPath, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
      if descriptor >= 0 || (errno != EEXIST && errno != EINTR) { break }
    }
    guard descriptor >= 0 else {
      throw FileError(
        path: path, operation: "create a temporary file beside it", code: errno)
    }
    _ = flock(descriptor, LOCK_EX | LOCK_NB)
    self.path = path
    self.folder = folder
    self.temporaryPath = temporaryPath
    self.isFlushed = isFlushed
    self.descriptor = descriptor
  }

  deinit {
    if descriptor >= 0 { _ = close(descriptor) }
    if !isRenamed { _ = unlink(temporaryPath) }
  }

  /// Writes `bytes` after what is there.
  package mutating func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.largestWrite))
      let written = Glibc.write(descriptor, piece.baseAddress, piece.count)
      if written < 0 {
        if errno == EINTR { continue }
        throw failure("write")
      }
      rest = rest.dropFirst(written)
      Progress.beat()
      byteCount += written
      unflushedByteCount += written
      if isFlushed && unflushedByteCount >= Self.largestFlush {
        guard Self.flush(descriptor, by: fdatasync) else { throw failure("flush to the disk") }
        unflushedByteCount = 0
      }
    }
  }

  /// Lets the system begin to write what was appended to the disk, without waiting for it, where it is much.
  ///
  /// The disk is at work while more is made, and a flush at the end has less to wait for.
  ///
  /// - Parameter isLast: whether nothing is appended any more: then the rest is begun too, where others were.
  package mutating func beginFlush(isLast: Bool = false) {
    let least = isLast && begunByteCount > 0 ? 1 : Self.leastBegun
    guard byteCount - begunByteCount >= least else { return }
    // Where a file system knows nothing of it, the flush at the end does all.
    _ = CWriting_begin(descriptor, Int64(begunByteCount), Int64(byteCount - begunByteCount))
    begunByteCount = byteCount
  }

  /// Calls fsync(2) or its like until no signal interrupts it; false where it fails.
  private static func flush(_ descriptor: CInt, by flush: (CInt) -> CInt) -> Bool {
    while flush(descriptor) != 0 {
      if errno != EINTR { return false }
    }
    Progress.beat()
    return true
  }

  /// Writes `bytes` over those at `offset`, which have been appended before.
  package mutating func overwrite(
    at offset: Int, with bytes: UnsafeRawBufferPointer
  ) throws(FileError) {
    var done = 0
    while done < bytes.count {
      let piece = UnsafeRawBufferPointer(rebasing: bytes[done...])
      let written = pwrite(descriptor, piece.baseAddress, piece.count, offset + done)
      if written < 0 {
        if errno == EINTR { continue }
        throw failure("write")
      }
      done += written
    }
  }

  /// Flushes the file, renames it to its path and flushes the folder.
  package mutating func commit() throws(FileError) {
    guard !isFlushed || Self.flush(descriptor, by: fsync) else {
      throw failure("flush to the disk")
    }
    // Network file systems report a full disk only here.
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0 else { throw failure("close") }
    guard rename(temporaryPath, path) == 0 else { throw failure("put the new file in place") }
    isRenamed = true
    guard isFlushed else { return }
    let folderDescriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folderDescriptor >= 0 else { throw failure("flush its folder") }
    defer { _ = close(folderDescriptor) }
    // Some file systems cannot flush a folder and say EINVAL; there is nothing more to do there.
    guard Self.flush(folderDescriptor, by: fsync) || errno == EINVAL else {
      throw failure("flush its folder")
    }
  }

  private func failure(_ operation: String) -> FileError {
    FileError(path: path, operation: operation, code: errno)
  }
}
