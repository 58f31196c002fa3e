// A thread that does one piece of work at a time behind the back of another.

import Foundation

/// A thread for work that others need not wait for, such as copies and files.
///
/// One piece of work goes on at a time: beginning another one waits for the one before. After a failure nothing
/// is begun any more, and whoever begins or waits hears of it.
package final class BackgroundThread: Sendable {
  private let state: SharedState

  /// Starts the thread; nil where the system refuses it.
  package init?() {
    let state = SharedState()
    let shared = Unmanaged.passRetained(state)
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<SharedState>.fromOpaque(argument).takeRetainedValue().serve()
        return nil
      }, shared.toOpaque())
    guard status == 0 else {
      shared.release()
      return nil
    }
    pthread_detach(thread)
    self.state = state
  }

  /// Waits until what was begun is done.
  deinit { state.close() }

  /// Begins `work` when what was begun before is done.
  ///
  /// - Throws: what earlier work has thrown.
  package func begin(_ work: @escaping @Sendable () throws -> Void) throws {
    try state.begin(work)
  }

  /// Returns when everything that was begun is done; any thread may wait, but not this one.
  ///
  /// - Throws: what it has thrown.
  package func wait() throws { try state.wait() }

  /// What work has thrown, as far as is known by now; does not wait.
  package var failure: (any Error)? { state.knownFailure }
}

/// What the thread and those who give it work have in common.
private final class SharedState: @unchecked Sendable {
  // Unchecked because of the variables, which the condition's lock guards.

  private let condition = NSCondition()
  private var work: (@Sendable () throws -> Void)?
  private var isBusy = false
  private var isEnding = false
  private var failure: (any Error)?

  var knownFailure: (any Error)? {
    condition.lock()
    defer { condition.unlock() }
    return failure
  }

  func begin(_ work: @escaping @Sendable () throws -> Void) throws {
    condition.lock()
    defer { condition.unlock() }
    while isBusy { condition.wait() }
    if let failure { throw failure }
    self.work = work
    isBusy = true
    condition.broadcast()
  }

  func wait() throws {
    condition.lock()
    defer { condition.unlock() }
    while isBusy { condition.wait() }
    if let failure { throw failure }
  }

  func close() {
    condition.lock()
    defer { condition.unlock() }
    while isBusy { condition.wait() }
    isEnding = true
    condition.broadcast()
  }

  /// Runs all that comes, until the end.
  func serve() {
    while let outcome = runNext() {
      condition.lock()
      if case .failure(let error) = outcome { failure = error }
      isBusy = false
      condition.broadcast()
      condition.unlock()
    }
  }

  /// Runs what comes next; nil at the end.
  ///
  /// It is let go of without the lock: it may hold the last reference to something that waits for this thread.
  private func runNext() -> Result<Void, any Error>? {
    guard let work = take() else { return nil }
    return Result { try work() }
  }

  private func take() -> (@Sendable () throws -> Void)? {
    condition.lock()
    defer { condition.unlock() }
    while work == nil && !isEnding { condition.wait() }
    defer { work = nil }
    return work
  }
}
