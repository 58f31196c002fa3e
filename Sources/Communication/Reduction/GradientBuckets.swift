// How the gradient buffer is divided for reduction.

/// The contiguous ranges in which a flat gradient buffer is reduced, from its end.
///
/// Gradients lie in forward order and the backward pass finishes them from the end, so the range
/// at the end is complete first. Ranges begin at multiples of the bucket size; the ragged one is
/// at the end.
package struct GradientBuckets: Sendable, Equatable {
  /// 1 MB.
  ///
  /// Transfers begin early in the backward pass, and little is left when it ends. On fast networks
  /// the latency is more than the transfer, but many buckets are in flight at once.
  package static let defaultByteCount = 1 << 20

  /// The ranges of element offsets, in the order in which they are reduced.
  package let ranges: [Range<Int>]

  /// The number of elements in the buffer.
  package let elementCount: Int

  /// Divides a buffer of `elementCount` floats into buckets of `byteCount` bytes.
  ///
  /// - Precondition: `byteCount` is positive and a multiple of 4.
  package init(elementCount: Int, byteCount: Int = Self.defaultByteCount) {
    let floatByteCount = MemoryLayout<Float>.size
    precondition(
      byteCount > 0 && byteCount.isMultiple(of: floatByteCount),
      "a bucket of \(byteCount) bytes is not a positive number of floats")
    let bucket = byteCount / floatByteCount
    self.elementCount = elementCount
    ranges = stride(from: 0, to: elementCount, by: bucket)
      .map { $0..<min($0 + bucket, elementCount) }
      .reversed()
  }

  /// The number of leading ranges that are complete when all elements from `offset` up are final.
  ///
  /// - Complexity: O(ranges that follow `reduced`), where `reduced` ranges are known to be complete.
  package func completeCount(from offset: Int, reduced: Int = 0) -> Int {
    var count = reduced
    while count < ranges.count && ranges[count].lowerBound >= offset { count += 1 }
    return count
  }
}
