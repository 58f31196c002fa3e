// When a training that has died is started again.

import Testing
import unet_dist

@Suite struct RestartPolicyTests {
  @Test func pausesGrowAndBeginAnew() {
    var policy = RestartPolicy(limit: 20, longestPause: 60)
    for (step, pause) in [1, 2, 4, 8, 16, 32, 60, 60].enumerated() {
      #expect(policy.decide(status: 137, startStep: step, seconds: 20) == .restart(after: pause))
    }
    #expect(policy.decide(status: 75, startStep: 10, seconds: 300) == .restart(after: 1))
    #expect(policy.decide(status: 85, startStep: 11, seconds: 10) == .restart(after: 2))
    var hasty = RestartPolicy(limit: 2, longestPause: 0)
    #expect(hasty.decide(status: 139, startStep: 0, seconds: 1) == .restart(after: 0))
  }

  @Test func endsWhereAnotherStartWouldBeNoBetter() {
    for status: Int32 in [0, 1, 2, 64] {
      var policy = RestartPolicy(limit: 5, longestPause: 60)
      #expect(policy.decide(status: status, startStep: 3, seconds: 1) == .end(nil))
    }
  }

  /// What a start has won the step shows that the next one begins after; the newest one may have won any.
  @Test(
    arguments: [
      [0, 0, 0, 0, 0], [nil, nil, nil, nil], [0, nil, nil, nil, nil],
      [0, 0, 0, 0, 0, 7, 7, 7, 7, 7], [0, nil, nil, nil, nil, 4, 4, 4, nil, nil],
      // The last checkpoint was damaged, and the one before taken.
      [9, 9, 9, 5, 5],
    ] as [[Int?]])
  func endsWhenStartAfterStartWinsNoStep(_ starts: [Int?]) {
    var policy = RestartPolicy(limit: 99, longestPause: 0)
    for step in starts {
      #expect(policy.decide(status: 137, startStep: step, seconds: 1) == .restart(after: 0))
    }
    guard
      case .end(let reason?) = policy.decide(
        status: 137, startStep: starts.last ?? nil, seconds: 1)
    else {
      Issue.record("it goes on")
      return
    }
    #expect(reason == "no step was won in 5 starts")
  }

  @Test func endsAfterAsManyStartsAsWereAskedFor() {
    var policy = RestartPolicy(limit: 2, longestPause: 0)
    #expect(policy.decide(status: 137, startStep: 0, seconds: 1) == .restart(after: 0))
    #expect(policy.decide(status: 137, startStep: 0, seconds: 1) == .restart(after: 0))
    guard case .end(let reason?) = policy.decide(status: 137, startStep: 0, seconds: 1) else {
      Issue.record("it goes on")
      return
    }
    #expect(reason.contains("2 times"))
  }
}
