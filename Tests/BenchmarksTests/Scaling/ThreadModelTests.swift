// The model of loops on many threads: by hand.

import Benchmarks
import Testing
import Threading

@Suite struct ThreadModelTests {
  private static func loop(
    _ part: String, before: Double = 0, _ items: [Double]
  ) -> LoopRecorder.Loop {
    LoopRecorder.Loop(part: part, secondsBefore: before, itemSeconds: items)
  }

  @Test func itemsGoToTheThreadThatIsFreeFirst() {
    let model = ThreadModel(loops: [Self.loop("a", [3, 1, 1, 2])], loopSeconds: 0)
    #expect(model.seconds(threads: 1) == 7)
    // 3 beside 1 + 1, then 2 behind these.
    #expect(model.seconds(threads: 2) == 4)
    #expect(model.seconds(threads: 4) == 3 && model.seconds(threads: 128) == 3)
  }

  @Test func whatIsBetweenLoopsHasOneThread() {
    let model = ThreadModel(
      loops: [
        Self.loop("a", before: 1, [2, 2]), Self.loop("b", before: 0.5, [4]),
        Self.loop("b", before: 0.25, []),
      ], loopSeconds: 0.125)
    #expect(model.parts == ["a", "b"])
    #expect(model.seconds(threads: 1) == 9.75)
    #expect(model.serialSeconds == 5.75)
    // A loop of one item needs nobody else; 8 threads are three doublings.
    #expect(model.seconds(threads: 2) == 1 + 2.125 + 0.5 + 4 + 0.25)
    #expect(model.seconds(threads: 8, part: "a") == 1 + 2.375)
  }
}
