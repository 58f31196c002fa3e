// What is a stall, and whose fault, by made-up ranks.

import Liveness
import Testing

@Suite struct StallDetectorTests {
  private func sighting(
    _ rank: Int, beats: Int, isWaiting: Bool = false, phase: Progress.Phase = .step, step: Int = 17
  ) -> RankSighting {
    RankSighting(
      rank: rank, process: 100 + rank, beats: beats, phase: phase, step: step, isWaiting: isWaiting)
  }

  /// Looks once a second until something is said; the seconds it took.
  private func firstVerdict(
    _ detector: inout StallDetector, for seconds: Int = 10_000, _ ranks: (Int) -> [RankSighting]
  ) -> (second: Int, verdict: StallDetector.Verdict)? {
    for second in 0..<seconds {
      let verdict = detector.look(ranks(second), after: 1)
      if verdict != .fine { return (second, verdict) }
    }
    return nil
  }

  @Test func aRankAtWorkThatDoesNotMoveIsAtFault() throws {
    var detector = StallDetector(limit: 10, joiningLimit: 100)
    let ranks: (Int) -> [RankSighting] = { second in
      // Rank 1 has stopped; rank 2 does not wait for it.
      [
        sighting(0, beats: 5, isWaiting: true), sighting(1, beats: 3), sighting(2, beats: second),
      ]
    }
    let warning = try #require(firstVerdict(&detector, ranks))
    #expect(warning.second == 5)
    guard case .warning(let stall) = warning.verdict else {
      Issue.record("\(warning)")
      return
    }
    #expect(stall.culprits.map(\.rank) == [1])
    #expect(stall.waiting.map(\.rank) == [0])
    #expect(stall.seconds == 5 && stall.limit == 10)
    // The warning is said once.
    let end = try #require(firstVerdict(&detector) { ranks($0 + 6) })
    #expect(end.second == 4)
    guard case .end(let last) = end.verdict else {
      Issue.record("\(end)")
      return
    }
    #expect(last.culprits.map(\.rank) == [1])
  }

  @Test func progressBeginsTheTimeAnew() throws {
    var detector = StallDetector(limit: 10, joiningLimit: 100)
    // A beat every four seconds, for a thousand.
    #expect(firstVerdict(&detector, for: 1000) { [sighting(0, beats: $0 / 4)] } == nil)
    // And again after a warning.
    for _ in 0..<7 { _ = detector.look([sighting(0, beats: -1)], after: 1) }
    #expect(detector.look([sighting(0, beats: -2)], after: 1) == .fine)
    let next = try #require(firstVerdict(&detector) { _ in [sighting(0, beats: -2)] })
    guard case .warning = next.verdict else {
      Issue.record("\(next)")
      return
    }
  }

  @Test func ranksThatWaitForOneAtWorkHaveTime() {
    var detector = StallDetector(limit: 10, joiningLimit: 100)
    #expect(
      firstVerdict(&detector, for: 1000) { second in
        [
          sighting(0, beats: second, phase: .checkpoint), sighting(1, beats: 0, isWaiting: true),
        ]
      } == nil)
  }

  @Test(arguments: [
    (Progress.Phase.step, false, 5), (.step, true, 5), (.evaluation, false, 5),
    // Half of 12 times the limit.
    (.evaluation, true, 60), (.preparation, true, 60), (.checkpoint, true, 60),
    (.joining, true, 50), (.work, false, 5), (.work, true, 60),
  ])
  func ranksThatAllWait(phase: Progress.Phase, hasOtherHosts: Bool, seconds: Int) throws {
    var detector = StallDetector(limit: 10, joiningLimit: 100)
    detector.hasOtherHosts = hasOtherHosts
    let first = try #require(
      firstVerdict(&detector) { _ in
        (0..<2).map { sighting($0, beats: 1, isWaiting: true, phase: phase) }
      })
    #expect(first.second == seconds)
    guard case .warning(let stall) = first.verdict else {
      Issue.record("\(first)")
      return
    }
    #expect(stall.culprits.isEmpty && stall.waiting.count == 2)
  }

  /// Pictures of other hosts may be large ones.
  @Test func whatIsSharedOutByACommandIsWaitedForWithOneWarning() throws {
    var detector = StallDetector(limit: 10, joiningLimit: 100)
    detector.hasOtherHosts = true
    let look: (Int) -> [RankSighting] = { _ in
      [sighting(0, beats: 1, isWaiting: true, phase: .work)]
    }
    let first = try #require(firstVerdict(&detector, look))
    guard case .warning(let stall) = first.verdict else {
      Issue.record("\(first)")
      return
    }
    #expect(stall.limit == .infinity)
    #expect(firstVerdict(&detector, look) == nil)
  }

  @Test func withoutALimitNothingIsSaid() {
    var detector = StallDetector(limit: 0, joiningLimit: 0)
    #expect(
      firstVerdict(&detector, for: 2000) { _ in
        [sighting(0, beats: 1), sighting(1, beats: 1, isWaiting: true, phase: .joining)]
      } == nil)
  }

  /// A rank that was stopped while it waited is at fault all the same.
  @Test func whoCannotGoOnIsBlamed() {
    let ranks = (0..<3).map { sighting($0, beats: 0, isWaiting: true) }
    let stall = Stall(seconds: 5, limit: 10, culprits: [], waiting: ranks)
      .blaming { $0.rank == 1 }
    #expect(stall.culprits.map(\.rank) == [1])
    #expect(stall.waiting.map(\.rank) == [0, 2])
  }

  // MARK: Words

  @Test func textNamesPhaseRankAndCause() {
    let culprit = sighting(1, beats: 0, step: 16)
    let own = sighting(0, beats: 0, isWaiting: true)
    let stall = Stall(seconds: 150, limit: 300, culprits: [culprit], waiting: [own])
    #expect(
      stall.text(seenBy: own, host: "node7", cause: { _ in "stopped by a signal" })
        == "step 17: no progress of rank 1 on node7 (process 101, in step 16, stopped by a signal) "
        + "for 150 s")
    #expect(
      stall.text(seenBy: own, host: "node7", cause: { _ in nil })
        == "step 17: no progress of rank 1 on node7 (process 101, in step 16) for 150 s")
  }

  @Test func textOfRanksThatAllWait() {
    let ranks = [2, 3].map { sighting($0, beats: 0, isWaiting: true, phase: .evaluation) }
    let stall = Stall(
      seconds: 3600, limit: 3600, culprits: [], waiting: ranks, hasOtherHosts: true)
    #expect(
      stall.text(seenBy: ranks[0], host: "node7", cause: { _ in nil })
        == "the evaluation after step 17: ranks 2, 3 on node7 waited 3600 s for ranks of other "
        + "hosts, of which some may be stopped, or lost with their links")
    let alone = Stall(seconds: 300, limit: 300, culprits: [], waiting: [ranks[0]])
    #expect(
      alone.text(seenBy: ranks[0], host: "node7", cause: { _ in nil })
        .hasSuffix("rank 2 on node7 waited 300 s for ranks that have ended"))
  }
}
