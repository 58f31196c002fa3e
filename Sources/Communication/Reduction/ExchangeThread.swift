// The thread that makes all MPI calls while a step's gradients are in flight.

import Foundation

/// A bucket exchange that goes on by itself.
///
/// From `begin` until everything handed over has been waited for, only this thread may call MPI in
/// the process.
package final class ExchangeThread: @unchecked Sendable {
  // Unchecked because of the variables: those of the caller and the thread are guarded by the
  // condition's lock, and the exchange is the thread's from the first hand-over until all is
  // finished, and the caller's otherwise.

  private let exchange: BucketExchange
  private let condition = NSCondition()
  private var enqueuedCount = 0
  private var finishedCount = 0
  private var gather: (values: UnsafeMutableBufferPointer<Float>, count: Int)?
  private var isGathering = false
  private var failure: MPIError?
  private var isEnding = false
  private var hasEnded = false

  /// Starts the thread; nil where the system refuses it.
  package init?(_ exchange: BucketExchange) {
    self.exchange = exchange
    let own = Unmanaged.passRetained(self)
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<ExchangeThread>.fromOpaque(argument).takeRetainedValue().serve()
        return nil
      }, own.toOpaque())
    guard status == 0 else {
      own.release()
      return nil
    }
    pthread_detach(thread)
  }

  /// Ends the thread and waits until it has ended; what is in flight is given up.
  package func close() {
    condition.lock()
    isEnding = true
    condition.broadcast()
    while !hasEnded { condition.wait() }
    condition.unlock()
  }

  /// Prepares the exchange by `body`, while nothing is in flight.
  package func begin(_ body: (BucketExchange) -> Void) {
    condition.lock()
    defer { condition.unlock() }
    precondition(
      finishedCount == enqueuedCount && !isGathering, "begin while buckets are in flight")
    body(exchange)
    enqueuedCount = 0
    finishedCount = 0
  }

  /// Lets the first `count` buckets go.
  package func enqueue(_ count: Int) {
    condition.lock()
    enqueuedCount = count
    condition.broadcast()
    condition.unlock()
  }

  /// Lets a gather go, beside the buckets.
  package func enqueue(_ values: UnsafeMutableBufferPointer<Float>, count: Int) {
    condition.lock()
    gather = (values, count)
    isGathering = true
    condition.broadcast()
    condition.unlock()
  }

  /// Whether all buckets that were let go are through, or never will be.
  package var hasFinished: Bool {
    condition.lock()
    defer { condition.unlock() }
    return finishedCount == enqueuedCount || failure != nil
  }

  /// Returns when the first `count` buckets are through.
  package func wait(for count: Int) throws(MPIError) {
    condition.lock()
    defer { condition.unlock() }
    while finishedCount < count && failure == nil { condition.wait() }
    if let failure { throw failure }
  }

  /// Returns when the gather is through.
  package func waitForGather() throws(MPIError) {
    condition.lock()
    defer { condition.unlock() }
    while isGathering && failure == nil { condition.wait() }
    if let failure { throw failure }
  }

  private func serve() {
    var backoff = Backoff()
    condition.lock()
    while true {
      // After a failure the other ranks are lost to this one: more calls could only hang.
      while !isEnding && (failure != nil || finishedCount == enqueuedCount && !isGathering) {
        condition.wait()
        backoff.reset()
      }
      if isEnding { break }
      let (target, next) = (enqueuedCount, gather)
      gather = nil
      condition.unlock()
      let newFailure = advance(target, gathering: next)
      let moved = exchange.finishedCount
      condition.lock()
      failure = newFailure
      let gathers = gather != nil || exchange.isGathering
      if moved != finishedCount || gathers != isGathering || failure != nil {
        finishedCount = moved
        isGathering = gathers
        condition.broadcast()
        backoff.reset()
      } else {
        condition.unlock()
        backoff.pause()
        condition.lock()
      }
    }
    hasEnded = true
    condition.broadcast()
    condition.unlock()
  }

  private func advance(
    _ target: Int, gathering next: (values: UnsafeMutableBufferPointer<Float>, count: Int)?
  ) -> MPIError? {
    do throws(MPIError) {
      if let next { try exchange.beginGather(next.values, count: next.count) }
      try exchange.advance(target)
      return nil
    } catch {
      return error
    }
  }
}
