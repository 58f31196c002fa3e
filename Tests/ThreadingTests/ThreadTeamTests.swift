// Loops of a team: every item once, whatever the threads, and nothing after the end.

import Foundation
import Randomness
import Synchronization
import Testing
import Threading

@Suite struct ThreadTeamTests {
  /// How often each item of a loop was run, and by which threads.
  private final class Tally: Sendable {
    let counts: [Counter]
    let strangers = Counter()

    final class Counter: Sendable {
      let value = Atomic<Int>(0)
    }

    init(_ count: Int) { counts = (0..<count).map { _ in Counter() } }

    var values: [Int] { counts.map { $0.value.load(ordering: .relaxed) } }
  }

  private static func tally(_ count: Int, on team: ThreadTeam) -> Tally {
    let tally = Tally(count)
    team.forEach(count, (tally, team.count)) { context, item, thread in
      let (tally, threads) = context
      tally.counts[item].value.add(1, ordering: .relaxed)
      if !(0..<threads ~= thread) { tally.strangers.value.add(1, ordering: .relaxed) }
    }
    return tally
  }

  @Test(arguments: 1...8) func everyItemRunsOnce(_ threads: Int) {
    let team = ThreadTeam(count: threads)
    #expect(team.count == threads && team.warning == nil)
    var stream = RandomStream(seed: 1, purpose: .shuffle, sample: threads)
    for count in [0, 1, 2] + (0..<200).map({ _ in stream.integer(below: 300) }) {
      let tally = Self.tally(count, on: team)
      #expect(tally.values == Array(repeating: 1, count: count))
      #expect(tally.strangers.value.load(ordering: .relaxed) == 0)
    }
  }

  /// Threads look for a while before they sleep; loops must be seen before, during and after that.
  @Test func sleepingThreadsWakeUp() {
    let team = ThreadTeam(count: 3)
    for microseconds in [0, 5, 50, 500, 5_000, 50_000, 0] {
      usleep(UInt32(microseconds))
      #expect(Self.tally(64, on: team).values == Array(repeating: 1, count: 64))
    }
  }

  /// What a loop has written is there when it has returned, without any lock of the reader.
  @Test func resultsAreThereAfterTheLoop() {
    let team = ThreadTeam(count: 4)
    let values = UnsafeMutablePointer<Int>.allocate(capacity: 1_000)
    defer { values.deallocate() }
    for round in 0..<300 {
      values.update(repeating: -1, count: 1_000)
      team.forEach(1_000, (UnsafeSend(values), round)) { context, item, _ in
        context.0.pointer[item] = item ^ context.1
      }
      #expect((0..<1_000).allSatisfy { values[$0] == $0 ^ round })
    }
  }

  @Test func valuesAreInTheOrderOfTheirItems() {
    let team = ThreadTeam(count: 3)
    for count in [0, 1, 2, 1_000] {
      #expect(team.map(Array(0..<count)) { "\($0 * $0)" } == (0..<count).map { "\($0 * $0)" })
    }
  }

  @Test func teamsDoNotMeet() async {
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<4 {
        group.addTask {
          let team = ThreadTeam(count: 3)
          return (0..<100).allSatisfy { round in
            Self.tally(round, on: team).values == Array(repeating: 1, count: round)
          }
        }
      }
      for await isRight in group { #expect(isRight) }
    }
  }

  /// In a process of its own, whose address space has no room for the stacks of all threads.
  @Test func refusedThreadsAreDoneWithout() async {
    await #expect(processExitsWith: .success) {
      let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
      let used = (Int(pages.split(separator: " ").first ?? "") ?? 0) * Int(getpagesize())
      let space = __rlimit_resource_t(RLIMIT_AS.rawValue)
      var limit = rlimit(rlim_cur: rlim_t(used + 64 << 20), rlim_max: .max)
      setrlimit(space, &limit)
      let team = ThreadTeam(count: 200)
      limit.rlim_cur = .max
      setrlimit(space, &limit)
      #expect((1..<200).contains(team.count))
      #expect(team.warning?.contains("the system grants \(team.count) of 200 threads") == true)
      #expect(ThreadTeamTests.tally(500, on: team).values == Array(repeating: 1, count: 500))
    }
  }
}

/// A pointer to memory of which no two items use the same place.
private struct UnsafeSend: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Int>
  init(_ pointer: UnsafeMutablePointer<Int>) { self.pointer = pointer }
}
