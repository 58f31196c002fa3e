// The sum of the gradients over the ranks, while the backward pass is still at work.

/// Sums the gradients of all ranks, bucket by bucket, as the backward pass finishes them.
///
/// A step calls `begin`, then `reduce(from:)` whenever more gradients are final, then `finish`;
/// only after `finish` does the buffer hold the sums. Between `begin` and `finish` the caller must
/// not touch gradients which it has declared final.
///
/// Today `reduce(from:)` blocks while a complete bucket is summed. The calls are such that another
/// thread may do it instead. Every rank must hand over the same offsets' buckets in the same order,
/// which the fixed order of the backward pass ensures. With one rank nothing happens at all.
public final class GradientReducer {
  /// The division of the buffer.
  public let buckets: GradientBuckets

  /// Seconds that the caller has waited for other ranks' gradients since `begin`.
  public private(set) var seconds = 0.0

  /// The gradient bytes summed since `begin`, each counted once.
  public private(set) var byteCount = 0

  private let communicator: any Communicator
  private var gradients: UnsafeMutableBufferPointer<Float>?
  private var finalOffset = 0
  private var reduced = 0
  private var failure: MPIError?
  private let clock = ContinuousClock()

  /// A reducer for buffers of one size.
  public init(communicator: any Communicator, buckets: GradientBuckets) {
    self.communicator = communicator
    self.buckets = buckets
  }

  /// Begins a step whose gradients will be in `gradients`.
  ///
  /// - Precondition: the last step was finished, and the buffer has the buckets' size.
  public func begin(_ gradients: UnsafeMutableBufferPointer<Float>) {
    precondition(self.gradients == nil, "begin before the last step was finished")
    precondition(
      gradients.count == buckets.elementCount,
      "\(gradients.count) gradients for buckets of \(buckets.elementCount)")
    self.gradients = gradients
    finalOffset = gradients.count
    reduced = 0
    byteCount = 0
    seconds = 0
  }

  /// Declares the gradients at `offset` and above final, and starts every bucket now complete.
  ///
  /// Does not throw, so that a backward pass need not know of communication; `finish` does.
  ///
  /// - Precondition: a step has begun, and `offset` is not above the last one.
  public func reduce(from offset: Int) {
    guard let gradients else { preconditionFailure("reduce(from:) before begin") }
    precondition(
      0...finalOffset ~= offset, "offset \(offset) after \(finalOffset): gradients end first")
    finalOffset = offset
    let complete = buckets.completeCount(from: offset, reduced: reduced)
    guard complete > reduced else { return }
    if communicator.size > 1 { sum(gradients, complete: complete) }
    reduced = complete
  }

  /// Declares all gradients final and returns when they are the sums over all ranks.
  public func finish() throws(MPIError) {
    reduce(from: 0)
    gradients = nil
    guard let failure else { return }
    self.failure = nil
    throw failure
  }

  private func sum(_ gradients: UnsafeMutableBufferPointer<Float>, complete: Int) {
    // After a failure the other ranks are lost to this one: more calls could only hang.
    guard failure == nil else { return }
    let start = clock.now
    do throws(MPIError) {
      for index in reduced..<complete {
        let bucket = UnsafeMutableBufferPointer(rebasing: gradients[buckets.ranges[index]])
        try communicator.allReduceSum(bucket)
        byteCount += bucket.count * MemoryLayout<Float>.size
      }
    } catch {
      failure = error
    }
    seconds += (clock.now - start) / .seconds(1)
  }
}
