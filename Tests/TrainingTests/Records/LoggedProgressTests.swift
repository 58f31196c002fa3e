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

  /// Starts are told apart by their times, be they of one step.
  @Test func theNewestStartIsTold() throws {
    let first = try Self.folder([Self.start] + Self.steps(1...4))
    #expect(LoggedProgress(of: first.path).start == .init(time: 1.5, step: 0))
    let second = try Self.folder(
      [Self.start] + Self.steps(1...4) + [Self.resume] + Self.steps(5...9))
    #expect(LoggedProgress(of: second.path).start == .init(time: 7.5, step: 4))
    #expect(!LoggedProgress(of: second.path).wasStopped)
  }

  @Test func aStopIsTheLastLine() throws {
    let stop = #"{"event": "stop", "step": 4, "signal": "TERM"}"#
    let stopped = try Self.folder([Self.start] + Self.steps(1...4) + [stop])
    #expect(LoggedProgress(of: stopped.path).wasStopped)
    let goneOn = try Self.folder([Self.start] + Self.steps(1...4) + [stop, Self.resume])
    #expect(!LoggedProgress(of: goneOn.path).wasStopped)
  }

  /// A start from a checkpoint that was named is gone on with when it has something of its own.
  @Test func goesOnFromACheckpointOrAStateOfItsOwn() throws {
    let lines = [Self.start] + Self.steps(1...4) + [Self.resume] + Self.steps(5...9)
    let folder = try Self.folder(lines, checkpoints: [2, 4, 8])
    let latest = folder.path + "/latest.safetensors"
    symlink("checkpoints/step-00000004.safetensors", latest)
    #expect(!LoggedProgress(of: folder.path).canGoOn)
    unlink(latest)
    symlink("checkpoints/step-00000008.safetensors", latest)
    #expect(LoggedProgress(of: folder.path).canGoOn)
    let kept = try Self.folder(lines, checkpoints: [2, 4])
    _ = try kept.write("", to: ".step-state")
    #expect(LoggedProgress(of: kept.path).canGoOn)
  }

  @Test func withoutALogThereWasNoStart() throws {
    let folder = try ScratchFolder()
    #expect(LoggedProgress(of: folder.path).start == nil)
    // Lines of other programs, and one that was not finished.
    _ = try folder.write(
      "x\n{\"step\": 3}\n{\"event\": \"start\", \"step\": 0, \"ti", to: "log.jsonl")
    _ = try folder.write("", to: ".step-state")
    #expect(LoggedProgress(of: folder.path).start == nil)
    #expect(!LoggedProgress(of: folder.path).canGoOn)
  }
}
