// Writing a file so that its name only ever stands for a whole one.

import Glibc

/// Writes a temporary file beside `path` by `write`, then renames it to `path`.
///
/// Whoever reads `path` meanwhile sees the old file or the new one, never a part. The file is not
/// forced to the disk: pictures can be made again, and a synchronised write for each is slow.
func replaceFile(
  at path: String, write: (CInt) throws(ImagingError) -> Void
) throws(ImagingError) {
  guard !path.isEmpty, !path.utf8.contains(0) else {
    throw ImagingError(
      path: path, expected: "the path of a file to write", found: "an empty or broken path",
      hint: "name a file")
  }
  let folderEnd = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
  // Short, whatever the name's length, and hidden from those who list images.
  let unique = String(UInt64.random(in: 0...UInt64.max), radix: 36)
  let temporary = path[..<folderEnd] + ".\(unique).tmp"
  // O_EXCL: never follow or empty what somebody else has put there.
  let descriptor = open(String(temporary), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
  guard descriptor >= 0 else { throw writingError(path, code: errno) }
  do throws(ImagingError) {
    do throws(ImagingError) {
      try write(descriptor)
    } catch {
      close(descriptor)
      throw error
    }
    // Network file systems report a full disk as late as here.
    guard close(descriptor) == 0 else { throw writingError(path, code: errno) }
    guard rename(String(temporary), path) == 0 else { throw writingError(path, code: errno) }
  } catch {
    unlink(String(temporary))
    throw error
  }
}

/// Writes all of `bytes` to an open file.
func writeAll(
  _ bytes: UnsafeRawBufferPointer, to descriptor: CInt, path: String
) throws(ImagingError) {
  var rest = bytes[...]
  while !rest.isEmpty {
    let start = UnsafeRawBufferPointer(rebasing: rest).baseAddress
    let count = Glibc.write(descriptor, start, rest.count)
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else { throw writingError(path, code: count < 0 ? errno : EIO) }
    rest = rest.dropFirst(count)
  }
}

private func writingError(_ path: String, code: CInt) -> ImagingError {
  ImagingError(
    path: path, expected: "a file that can be written", found: systemErrorText(code),
    hint: "check that its folder exists, may be written to and has space left")
}
