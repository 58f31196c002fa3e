// Work behind the back of another thread: its order, its failures, its end.

import Foundation
import Synchronization
import Testing
import Threading

@Suite struct BackgroundThreadTests {
  private struct Fault: Error {}

  @Test func doesOnePieceAfterTheOther() throws {
    let thread = try #require(BackgroundThread())
    let done = Mutex<[Int]>([])
    for number in 0..<50 {
      try thread.begin {
        if number.isMultiple(of: 10) { usleep(1000) }
        done.withLock { $0.append(number) }
      }
      // All before are done when the next has begun.
      let isInOrder = done.withLock { $0.count >= number && $0 == Array(0..<$0.count) }
      #expect(isInOrder)
    }
    try thread.wait()
    #expect(done.withLock { $0 } == Array(0..<50))
  }

  @Test func tellsOfAFailureAndBeginsNothingAfterIt() throws {
    let thread = try #require(BackgroundThread())
    let hasRun = Mutex(false)
    try thread.begin { throw Fault() }
    #expect(throws: Fault.self) { try thread.wait() }
    #expect(throws: Fault.self) { try thread.begin { hasRun.withLock { $0 = true } } }
    #expect(throws: Fault.self) { try thread.wait() }
    #expect(!hasRun.withLock { $0 })
  }

  @Test func itsEndWaitsForWhatWasBegun() throws {
    let isDone = Mutex(false)
    do {
      let thread = try #require(BackgroundThread())
      try thread.begin {
        usleep(20_000)
        isDone.withLock { $0 = true }
      }
    }
    #expect(isDone.withLock { $0 })
  }
}
