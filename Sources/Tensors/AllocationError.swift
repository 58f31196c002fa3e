// The error of memory that the system refuses.

import Glibc

/// Memory that was asked for and not granted.
///
/// Buffers whose size the user decides are allocated so that this is thrown. What memory there is
/// is looked at before they are (see `MemoryBudget`), but other programs may take it in between.
package struct AllocationError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The bytes that were asked for; nil for more than can be counted.
  package let byteCount: Int?
  /// What they were wanted for, as a noun phrase such as "activations".
  package let purpose: String

  /// An error from its parts.
  package init(byteCount: Int?, purpose: String) {
    self.byteCount = byteCount
    self.purpose = purpose
  }

  /// One sentence: what was expected and found, and what to do.
  package var description: String {
    let size = byteCount.map { "\($0) bytes" } ?? "more bytes than can be counted"
    return "\(purpose): expected \(size) of memory, found that the system grants no more; take a "
      + "smaller --tile or --base-channels, fewer ranks a host, or a higher limit (ulimit -v)"
  }
}

extension AllocationError {
  /// Sees that the system grants so much memory, before code that cannot do without it asks.
  ///
  /// By mmap(2): a call of malloc(3) that is freed at once is left out by compilers.
  package static func check(_ byteCount: Int, for purpose: String) throws(AllocationError) {
    guard byteCount > 0 else { return }
    let memory = mmap(
      nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let memory, memory != MAP_FAILED else {
      throw AllocationError(byteCount: byteCount, purpose: purpose)
    }
    munmap(memory, byteCount)
  }
}
