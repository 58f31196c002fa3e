// Reading at a place of an open file, which its own place of reading does not move with.

import Glibc

/// Fills a buffer with the bytes of an open file from `offset` on, as far as the file goes.
///
/// - Returns: how many bytes came, and the system's reason where it refused; 0 at the end of the file.
func fill(
  _ bytes: UnsafeMutableRawBufferPointer, from descriptor: CInt, at offset: Int
) -> (count: Int, code: CInt) {
  var done = 0
  while done < bytes.count {
    let received = pread(
      descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
    if received < 0, errno == EINTR { continue }
    if received < 0 { return (done, errno) }
    if received == 0 { break }
    done += received
  }
  return (done, 0)
}
