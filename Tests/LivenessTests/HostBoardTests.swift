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

  @Test func namesOfDeadMakersAreRemoved() throws {
    // A number beyond the greatest that Linux gives, and that of a process that lives.
    let dead = "/dev/shm/unet-dist-board-8388608-abc"
    let alive = "/dev/shm/unet-dist-board-\(getpid())-abc"
    for path in [dead, alive] {
      #expect(FileManager.default.createFile(atPath: path, contents: nil))
    }
    defer { unlink(alive) }
    let board = try #require(HostBoard.make(count: 1))
    board.removeName()
    #expect(!FileManager.default.fileExists(atPath: dead))
    #expect(FileManager.default.fileExists(atPath: alive))
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
