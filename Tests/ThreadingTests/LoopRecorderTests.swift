// What a recording team tells of its loops.

import Foundation
import Testing
import Threading

@Suite struct LoopRecorderTests {
  @Test func everyItemOfEveryLoopIsThere() {
    let recorder = LoopRecorder()
    let team = ThreadTeam(recording: recorder)
    #expect(team.count == 1)
    recorder.part = "first"
    team.forEach(3, ()) { _, item, _ in usleep(item == 1 ? 20_000 : 0) }
    recorder.part = "second"
    usleep(20_000)
    team.forEach(1, ()) { _, _, _ in }
    let loops = recorder.take()
    #expect(loops.map(\.part) == ["first", "second", "second"])
    #expect(loops.map(\.itemSeconds.count) == [3, 1, 0])
    #expect(loops[0].itemSeconds[1] >= 0.02 && loops[1].secondsBefore >= 0.02)
    #expect(loops.allSatisfy { $0.itemSeconds.allSatisfy { $0 >= 0 } && $0.secondsBefore >= 0 })
    #expect(recorder.take().count == 1)
  }
}
