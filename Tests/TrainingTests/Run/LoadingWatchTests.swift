// What is said of steps that wait for their tiles.

import Testing
import Training

@Suite struct LoadingWatchTests {
  /// What is said after so many equal steps.
  private func lines(
    _ count: Int, waited: Double, threads: (Int) -> Int = { _ in 2 }, faults: Int = 0
  ) -> [(step: Int, text: String)] {
    var watch = LoadingWatch()
    return (1...count).compactMap { step in
      watch.add(waited: waited, of: 1, threads: threads(step), faults: step * faults)
        .map { (step, $0) }
    }
  }

  @Test func waitsOfMoreThanATwentiethAreSaidOnce() {
    let long = lines(200, waited: 0.12)
    #expect(long.count == 1 && long[0].step == LoadingWatch.window)
    #expect(long[0].text.hasPrefix("steps wait 12 % of their time for tiles, which 2 threads"))
    #expect(long[0].text.contains("--threads"))
    #expect(lines(200, waited: 0.049).isEmpty)
  }

  @Test func theRemedyFitsTheCause() {
    let disk = lines(60, waited: 0.5, faults: 20)
    #expect(disk.count == 1 && disk[0].text.contains("--cache"))
    #expect(!disk[0].text.contains("--threads"))
  }

  /// A thread more may be enough, so that waits before it do not count.
  @Test func anotherThreadBeginsAnew() {
    let grown = lines(120, waited: 0.2, threads: { $0 < 40 ? 1 : 2 })
    #expect(grown.map(\.step) == [39 + LoadingWatch.window])
  }
}
