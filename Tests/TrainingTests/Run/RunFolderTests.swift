// The run folder: refusal, lock, links, pruning.

import Files
import Foundation
import TestSupport
import Testing
import Training

@Suite struct RunFolderTests {
  private func touchCheckpoints(_ folder: RunFolder, _ steps: [Int]) throws {
    for step in steps {
      try Data("x".utf8).write(to: URL(fileURLWithPath: folder.checkpointPath(step: step)))
    }
  }

  @Test func foldersAreCreatedAndNamesPadded() throws {
    let workspace = try ScratchFolder()
    let folder = try RunFolder(path: workspace.path + "/a/b", resuming: false)
    #expect(
      folder.checkpointPath(step: 100)
        == workspace.path + "/a/b/checkpoints/step-00000100.safetensors")
    #expect(folder.checkpointPath(step: 1_234_567_890).hasSuffix("step-1234567890.safetensors"))
    let mode = try FileManager.default.attributesOfItem(atPath: folder.path)[.posixPermissions]
    #expect(try mode as? Int == created(0o777))
    try folder.writeConfiguration("seed: 1\n")
    try folder.writeConfiguration("seed: 2\n")
    #expect(try workspace.text(of: "a/b/config.yaml") == "seed: 2\n")
  }

  @Test(arguments: [
    "checkpoints/step-00000007.safetensors", "checkpoints/step-00000007.safetensors.damaged",
  ])
  func existingRunIsRefusedUnlessResumed(trace: String) throws {
    let workspace = try ScratchFolder()
    try FileManager.default.createDirectory(
      atPath: workspace.path + "/checkpoints", withIntermediateDirectories: true)
    // Other people's files are no run.
    _ = try workspace.write("", to: "notes.txt")
    _ = try workspace.write("", to: "checkpoints/step-7.safetensors")
    _ = try RunFolder(path: workspace.path, resuming: false)
    _ = try workspace.write("", to: trace)
    #expect(try RunFolder.hasCheckpoint(in: workspace.path))
    let error = try #require(throws: FileError.self) {
      try RunFolder(path: workspace.path, resuming: false)
    }
    #expect(error.found.contains(trace))
    #expect(error.hint == "continue it with --resume, or give another --output")
    _ = try RunFolder(path: workspace.path, resuming: true)
  }

  /// A file of the user's own is not taken for one.
  @Test(arguments: ["config.yaml", "log.jsonl"])
  func aTraceWithoutItsFolderOfCheckpointsIsRefused(trace: String) throws {
    let workspace = try ScratchFolder()
    _ = try workspace.write("mine", to: trace)
    // However often it is tried.
    for _ in 0..<2 {
      let error = try #require(throws: FileError.self) {
        try RunFolder(path: workspace.path, resuming: false)
      }
      #expect(error.found.contains(trace))
    }
    #expect(try workspace.text(of: trace) == "mine")
  }

  @Test func aRunThatHasSavedNothingBeginsAgain() throws {
    let workspace = try ScratchFolder()
    do {
      let folder = try RunFolder(path: workspace.path, resuming: false)
      #expect(!folder.beginsAgain)
      try folder.writeConfiguration("seed: 1\n")
      _ = try workspace.write("{\"step\": 1}\n", to: "log.jsonl")
    }
    #expect(try !RunFolder.hasCheckpoint(in: workspace.path))
    let folder = try RunFolder(path: workspace.path, resuming: false)
    #expect(folder.beginsAgain)
    #expect(!FileManager.default.fileExists(atPath: folder.logPath))
  }

  /// What a run has saved may have been moved elsewhere: its log is not lost to another run.
  @Test func aRunWhoseCheckpointsWereMovedIsRefused() throws {
    let workspace = try ScratchFolder()
    do {
      let folder = try RunFolder(path: workspace.path, resuming: false)
      try folder.point(.latest, toStep: 7)
      _ = try workspace.write("{\"step\": 1}\n", to: "log.jsonl")
    }
    #expect(try RunFolder.hasCheckpoint(in: workspace.path))
    let error = try #require(throws: FileError.self) {
      try RunFolder(path: workspace.path, resuming: false)
    }
    #expect(error.found.contains("latest.safetensors"))
    #expect(try workspace.text(of: "log.jsonl") == "{\"step\": 1}\n")
  }

  /// Its steps are in memory; a mark that cannot be read may be of states that can.
  @Test func aRunWhoseStatesAreKeptIsRefused() throws {
    let workspace = try ScratchFolder()
    _ = try RunFolder(path: workspace.path, resuming: false)
    _ = try workspace.write("", to: ".step-state")
    // One that was killed before its first step has lost none.
    _ = try workspace.write("{\"event\": \"start\", \"step\": 0}\n", to: "log.jsonl")
    _ = try RunFolder(path: workspace.path, resuming: false)
    _ = try workspace.write("{\"step\": 1}\n", to: "log.jsonl")
    let error = try #require(throws: FileError.self) {
      try RunFolder(path: workspace.path, resuming: false)
    }
    #expect(error.found == "one (.step-state)")
    #expect(error.hint?.contains("--resume-or-start") == true)
    _ = try RunFolder(path: workspace.path, resuming: true)
    _ = try RunFolder(path: workspace.path, resuming: false, hasNoStates: true)
  }

  /// What has a checkpoint's name and cannot be one is passed over.
  @Test func foldersPipesAndDanglingLinksAreNoCheckpoints() throws {
    let workspace = try ScratchFolder()
    let folder = try RunFolder(path: workspace.path, resuming: true)
    try touchCheckpoints(folder, [10, 20])
    try Folder.make(folder.checkpointPath(step: 30))
    #expect(mkfifo(folder.checkpointPath(step: 40), 0o600) == 0)
    #expect(symlink("nowhere", folder.checkpointPath(step: 50)) == 0)
    #expect(symlink("step-00000020.safetensors", folder.checkpointPath(step: 25)) == 0)
    #expect(try folder.checkpointSteps() == [10, 20, 25])
    #expect(try folder.newestCheckpoint() == folder.checkpointPath(step: 25))
  }

  @Test func whatIsMissingIsNamed() throws {
    let workspace = try ScratchFolder()
    let folder = try RunFolder(path: workspace.path, resuming: true)
    func failure() throws -> FileError {
      try #require(throws: FileError.self) { try folder.newestCheckpoint() }
    }
    #expect(try failure().found == "none")
    #expect(try failure().hint?.contains("--resume-or-start") == true)
    try folder.point(.latest, toStep: 7)
    #expect(try failure().found == "none; latest.safetensors points to one that is gone")
  }

  @Test func anotherCourseReplacesTheOldOneWithItsFirstCheckpoint() throws {
    let workspace = try ScratchFolder()
    let folder = try RunFolder(path: workspace.path, resuming: true)
    try touchCheckpoints(folder, [10, 20, 30, 40])
    try folder.point(.latest, toStep: 40)
    try folder.goOn(from: 20)
    #expect(try folder.checkpointSteps() == [10, 20, 30, 40])
    #expect(folder.step(of: .latest) == 20)
    try touchCheckpoints(folder, [30])
    try folder.abandon(after: 20, for: 30)
    #expect(try folder.checkpointSteps() == [10, 20, 30])
    // What the course that was taken has called its best stays.
    try folder.point(.best, toStep: 30)
    try folder.abandon(after: 10, for: 40)
    #expect(try folder.checkpointSteps() == [10, 30])
  }

  @Test func aDamagedCheckpointIsPutAside() throws {
    let workspace = try ScratchFolder()
    let folder = try RunFolder(path: workspace.path, resuming: true)
    try touchCheckpoints(folder, [10, 20])
    let aside = try folder.putAside(folder.newestCheckpoint())
    #expect(aside == folder.checkpointPath(step: 20) + ".damaged")
    #expect(try String(contentsOfFile: aside, encoding: .utf8) == "x")
    #expect(try folder.newestCheckpoint() == folder.checkpointPath(step: 10))
    _ = try folder.putAside(folder.newestCheckpoint())
    let error = try #require(throws: FileError.self) { try folder.newestCheckpoint() }
    #expect(error.found == "damaged ones only")
  }

  @Test func oneRunAtATime() throws {
    let workspace = try ScratchFolder()
    let first = try RunFolder(path: workspace.path, resuming: false)
    let error = try #require(throws: FileError.self) {
      try RunFolder(path: workspace.path, resuming: true)
    }
    #expect(error.expected == "a folder that no run is writing to")
    withExtendedLifetime(first) {}
  }

  @Test func theLockEndsWithTheFolder() throws {
    let workspace = try ScratchFolder()
    do { _ = try RunFolder(path: workspace.path, resuming: false) }
    _ = try RunFolder(path: workspace.path, resuming: false)
  }

  @Test func unusablePathsAreErrors() throws {
    let workspace = try ScratchFolder()
    let file = try workspace.write("", to: "file")
    for path in [file, file + "/below", "", "/proc/none", "/dev/null"] {
      let error = try #require(throws: FileError.self) {
        try RunFolder(path: path, resuming: false)
      }
      #expect(error.code != nil)
    }
  }

  @Test func linksAreRelativeAndReplaced() throws {
    let workspace = try ScratchFolder()
    let folder = try RunFolder(path: workspace.path, resuming: false)
    try touchCheckpoints(folder, [1, 2])
    #expect(folder.step(of: .latest) == nil)
    try folder.point(.latest, toStep: 1)
    // A temporary link that a killed run left behind.
    symlink("nowhere", folder.path(of: .latest) + ".tmp")
    try folder.point(.latest, toStep: 2)
    #expect(folder.step(of: .latest) == 2)
    let target = try FileManager.default.destinationOfSymbolicLink(
      atPath: workspace.path + "/latest.safetensors")
    #expect(target == "checkpoints/step-00000002.safetensors")
    #expect(try String(contentsOfFile: folder.path(of: .latest), encoding: .utf8) == "x")
  }

  @Test func pruningKeepsTheNewestAndTheLinked() throws {
    let workspace = try ScratchFolder()
    let folder = try RunFolder(path: workspace.path, resuming: false)
    #expect(throws: FileError.self) { try folder.newestCheckpoint() }
    try touchCheckpoints(folder, [10, 20, 30, 40, 50])
    _ = try workspace.write("", to: "checkpoints/step-00000060.safetensors.tmp")
    try folder.point(.best, toStep: 20)
    try folder.point(.latest, toStep: 50)
    #expect(try folder.newestCheckpoint() == folder.checkpointPath(step: 50))
    #expect(try folder.prune(keep: 2) == [10, 30])
    #expect(try folder.checkpointSteps() == [20, 40, 50])
    #expect(try folder.prune(keep: 0) == [40])
    #expect(try folder.prune(keep: 9) == [])
    #expect(try folder.checkpointSteps() == [20, 50])
  }
}
