// Which file it is, so that what is known of it need not be found again.

import Glibc

/// What tells a file from another, and from itself after a change.
struct FileIdentity: Hashable, Sendable {
  let device: UInt64
  let inode: UInt64
  let byteCount: Int
  let seconds: Int
  let nanoseconds: Int

  init?(_ descriptor: CInt) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    byteCount = Int(status.st_size)
    seconds = Int(status.st_mtim.tv_sec)
    nanoseconds = Int(status.st_mtim.tv_nsec)
  }
}
