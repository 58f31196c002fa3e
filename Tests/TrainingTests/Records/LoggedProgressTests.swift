// How far a run has come, as its folder tells.

import Foundation
import TestSupport
import Testing
import Training

@Suite struct LoggedProgressTests {
  private static func folder(_ lines: [String], checkpoints: [Int] = []) throws -> ScratchFolder {
    let folder = try ScratchFolder()
    _ = try folder.write(lines.map { $0 + "\n" }.joined(), to: "log.jsonl")
    try FileManager.default.createDirectory(
      atPath: folder.path + "/checkpoints", withIntermediateDirectories: true)
    for step in checkpoints {
      _ = try folder.write("", to: "checkpoints/step-\(String(format: "%08d", step)).safetensors")
    }
    return folder
  }

  private static let start = #"{"event": "start", "step": 0, "time": 1.5}"#
  private static let resume = #"{"event": "resume", "step": 4, "time": 7.5}"#

  private static func steps(_ range: ClosedRange<Int>) -> [String] {
    range.map { #"{"step": \#($0), "loss": 1}"# }
  }

  @Test func aCheckpointAfterTheStartIsAStepWon() throws {
    let lines = [Self.start] + Self.steps(1...4) + [Self.resume] + Self.steps(5...9)
    let none = try Self.folder(lines, checkpoints: [2, 4])
    #expect(LoggedProgress(of: none.path).startTime == 7.5)
    #expect(!LoggedProgress(of: none.path).hasWon)
    let one = try Self.folder(lines, checkpoints: [2, 4, 8])
    #expect(LoggedProgress(of: one.path).hasWon)
  }

  @Test func soIsAStepWhoseStateIsKept() throws {
    let begun = try Self.folder([Self.start] + Self.steps(1...4) + [Self.resume], checkpoints: [2])
    _ = try begun.write("", to: ".step-state")
    #expect(!LoggedProgress(of: begun.path).hasWon)
    let lines = [Self.start] + Self.steps(1...4) + [Self.resume] + Self.steps(5...5)
    let gone = try Self.folder(lines, checkpoints: [2])
    _ = try gone.write("", to: ".step-state")
    #expect(LoggedProgress(of: gone.path).hasWon)
  }

  @Test func withoutALogNothingWasWon() throws {
    let folder = try ScratchFolder()
    #expect(LoggedProgress(of: folder.path).startTime == nil)
    #expect(!LoggedProgress(of: folder.path).hasWon)
    // Lines of other programs, and one that was not finished.
    _ = try folder.write("x\n{\"step\": 3}\n{\"ev", to: "log.jsonl")
    #expect(!LoggedProgress(of: folder.path).hasWon)
  }
}
