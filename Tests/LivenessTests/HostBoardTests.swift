// The marks that ranks of a host see of each other.

import Foundation
import Liveness
import Testing

@Suite struct HostBoardTests {
  @Test func hasNoNameOnceAllHaveOpenedIt() throws {
    let board = try #require(HostBoard.make(count: 3))
    #expect(FileManager.default.fileExists(atPath: board.path))
    #expect(HostBoard(path: board.path, count: 3) != nil)
    // One for more ranks than it has places for is another job's.
    #expect(HostBoard(path: board.path, count: 4000) == nil)
    board.removeName()
    #expect(!FileManager.default.fileExists(atPath: board.path))
    #expect(HostBoard(path: board.path, count: 3) == nil)
  }

  @Test func ownStateIsRunningAndStartsAlike() throws {
    let first = try #require(ProcessState(of: Int(getpid())))
    let second = try #require(ProcessState(of: Int(getpid())))
    #expect(first.start == second.start && first.start > 0)
    #expect(first.cause == nil)
    // Beyond the greatest number that Linux gives.
    #expect(ProcessState(of: 1 << 23) == nil)
  }
}
