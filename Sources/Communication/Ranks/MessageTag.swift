// Who uses which tag of messages between ranks.

/// The tags of messages from rank to rank, all different, so that no message can be taken for one
/// of another purpose.
package enum MessageTag {
  /// Buckets that are summed side by side, each with a tag of its own.
  package static let bucketCount = 32
  /// Values gathered beside the buckets.
  package static let gather = bucketCount + 1
  /// The optimiser's state on its way to a checkpoint.
  package static let optimizerState = bucketCount + 2
  /// What is sent to measure the way to another rank.
  package static let measurement = bucketCount + 3

  /// The bucket in `slot`, in 0..<``bucketCount``.
  package static func bucket(slot: Int) -> Int {
    precondition(0..<bucketCount ~= slot, "slot \(slot) of \(bucketCount)")
    return slot + 1
  }
}
