// The sum of the gradients over the ranks, while the backward pass is still at work.

/// Sums the gradients of all ranks, bucket by bucket, as the backward pass finishes them.
///
/// A step calls `begin`, then `reduce(from:)` whenever more gradients are final, then `finish`;
/// only after `finish` does the buffer hold the sums. Between `begin` and `finish` the caller must
/// not touch gradients which it has declared final.
///
/// With ``Reduction/tree`` the sums are added in the order of a ``ReductionTree`` over the places of
/// the global batch. Every rank must hand over the same offsets' buckets in the same order, which
/// the fixed order of the backward pass ensures. With one rank nothing happens at all.
public final class GradientReducer {
  /// The division of the buffer.
  public let buckets: GradientBuckets

  /// Seconds that the caller has waited for other ranks' gradients since `begin`.
  public private(set) var seconds = 0.0

  /// The bytes that this rank has sent since `begin`; with ``Reduction/fast`` those that a ring
  /// sends, since the library does not tell.
  public var sentByteCount: Int { exchange?.sentByteCount ?? 0 }

  /// Nil with one rank.
  private let exchange: BucketExchange?
  private let elementCount: Int
  private var isUnderWay = false
  private var finalOffset = 0
  private var handedOver = 0
  private let clock = ContinuousClock()

  /// A reducer for buffers of one size.
  public init(
    communicator: any Communicator, buckets: GradientBuckets, reduction: Reduction = .tree
  ) {
    self.buckets = buckets
    elementCount = buckets.elementCount
    exchange =
      communicator.size == 1
      ? nil
      : BucketExchange(communicator: communicator, buckets: buckets, reduction: reduction)
  }

  /// Begins a step in which rank r takes the places `shares[r]` of the global batch.
  ///
  /// `own` are this rank's partial sums, one for each node of the tree that covers its places (see
  /// ``ReductionTree/cover(_:)``) and one of any content for a rank without places; with
  /// ``Reduction/fast`` it is one buffer on every rank. The first one becomes the sum over all
  /// ranks, the others are overwritten.
  ///
  /// - Precondition: the last step was finished, and the buffers have the buckets' size.
  public func begin(_ own: [UnsafeMutableBufferPointer<Float>], shares: [Range<Int>]) {
    precondition(!isUnderWay, "begin before the last step was finished")
    precondition(
      !own.isEmpty && own.allSatisfy { $0.count == elementCount },
      "partial sums of \(own.map(\.count)) for buckets of \(elementCount)")
    isUnderWay = true
    finalOffset = elementCount
    handedOver = 0
    seconds = 0
    exchange?.begin(own, shares: shares)
  }

  /// Declares the gradients at `offset` and above final.
  ///
  /// Does not throw, so that a backward pass need not know of communication; `finish` does.
  ///
  /// - Precondition: a step has begun, and `offset` is not above the last one.
  public func reduce(from offset: Int) {
    precondition(isUnderWay, "reduce(from:) before begin")
    precondition(
      0...finalOffset ~= offset, "offset \(offset) after \(finalOffset): gradients end first")
    finalOffset = offset
    handedOver = buckets.completeCount(from: offset, reduced: handedOver)
  }

  /// Declares all gradients final and returns when they are the sums over all ranks.
  public func finish() throws(MPIError) {
    reduce(from: 0)
    isUnderWay = false
    guard let exchange else { return }
    let start = clock.now
    defer { seconds += (clock.now - start) / .seconds(1) }
    var patience = Patience()
    while exchange.finishedCount < handedOver {
      let before = exchange.finishedCount
      try exchange.advance(handedOver)
      if exchange.finishedCount > before { patience.reset() } else { patience.pause() }
    }
  }
}
