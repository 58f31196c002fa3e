// Sets of cores as the system writes them.

import Communication
import Testing

@Suite struct CoreSetTests {
  @Test func aListIsReadAsTheSystemWritesIt() {
    #expect(CoreSet(list: "0-3,8\n") == CoreSet([0, 1, 2, 3, 8]))
    #expect(CoreSet(list: "5") == CoreSet([5]))
    // A memory node without cores.
    #expect(CoreSet(list: "\n") == CoreSet([Int]()))
    for bad in ["a", "3-1", "1-2-3", "-1", "1-"] { #expect(CoreSet(list: bad) == nil, "\(bad)") }
  }
}
