// When a training that has died is started again.

import Testing
import unet_dist

@Suite struct RestartPolicyTests {
  @Test func pausesGrowAndBeginAnew() {
    var policy = RestartPolicy(limit: 20, longestPause: 60)
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
      #expect(policy.decide(status: 137, hasWon: true, seconds: 20) == .restart(after: pause))
    }
    #expect(policy.decide(status: 75, hasWon: true, seconds: 300) == .restart(after: 1))
    #expect(policy.decide(status: 85, hasWon: true, seconds: 10) == .restart(after: 2))
    var hasty = RestartPolicy(limit: 2, longestPause: 0)
    #expect(hasty.decide(status: 139, hasWon: true, seconds: 1) == .restart(after: 0))
  }

  @Test func endsWhereAnotherStartWouldBeNoBetter() {
    for status: Int32 in [0, 1, 2, 64] {
      var policy = RestartPolicy(limit: 5, longestPause: 60)
      #expect(policy.decide(status: status, hasWon: true, seconds: 1) == .end(nil))
    }
  }

  @Test func endsWhenStartAfterStartWinsNoStep() {
    var policy = RestartPolicy(limit: 99, longestPause: 0)
    for hasWon in [false, false, false, false, true, false, false, false, false] {
      #expect(policy.decide(status: 137, hasWon: hasWon, seconds: 1) == .restart(after: 0))
    }
    guard case .end(let reason?) = policy.decide(status: 137, hasWon: false, seconds: 1) else {
      Issue.record("it goes on")
      return
    }
    #expect(reason.contains("no step was won"))
  }

  @Test func endsAfterAsManyStartsAsWereAskedFor() {
    var policy = RestartPolicy(limit: 2, longestPause: 0)
    #expect(policy.decide(status: 137, hasWon: true, seconds: 1) == .restart(after: 0))
    #expect(policy.decide(status: 137, hasWon: true, seconds: 1) == .restart(after: 0))
    guard case .end(let reason?) = policy.decide(status: 137, hasWon: true, seconds: 1) else {
      Issue.record("it goes on")
      return
    }
    #expect(reason.contains("2 times"))
  }
}
