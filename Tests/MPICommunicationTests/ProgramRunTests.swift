// The tool that other tests start programs with.

import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct ProgramRunTests {
  private let shell = URL(fileURLWithPath: "/bin/sh")

  @Test func tellsOutputAndStatus() throws {
    let folder = FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
    let run = try ProgramRun(
      shell, arguments: ["-c", "pwd; echo $COLOUR >&2; cat; exit 3"],
      environment: ["COLOUR": "green"], workingFolder: folder)
    #expect(run.standardOutput == folder.path + "\n")
    #expect(run.standardError == "green\n")
    #expect(run.exitStatus == 3 && !run.succeeded && !run.timedOut)
  }

  @Test func tellsTheSignal() throws {
    let run = try ProgramRun(shell, arguments: ["-c", "kill -KILL $$"])
    #expect(run.exitStatus == 137 && !run.timedOut)
  }

  @Test func largeOutputDoesNotBlock() throws {
    let run = try ProgramRun(
      shell, arguments: ["-c", "head -c 3000000 /dev/zero | tee /dev/stderr"], timeLimit: 30)
    #expect(run.succeeded)
    #expect(run.standardOutput.utf8.count == 3_000_000)
    #expect(run.standardError.utf8.count == 3_000_000)
  }

  @Test func missingProgramIsAnError() {
    #expect(throws: ProgramRun.StartFailure.self) {
      try ProgramRun(URL(fileURLWithPath: "/no/such/program"))
    }
    #expect(throws: ProgramRun.StartFailure.self) {
      try ProgramRun.builtProgram(named: "no-such-program")
    }
  }

  /// Also one that does not listen to the request to end, with a child in a group of its own.
  @Test func timeLimitEndsEverything() throws {
    let mark = "31415\(ProcessInfo.processInfo.processIdentifier)"
    let run = try ProgramRun(
      shell,
      arguments: ["-c", "trap '' TERM; echo started; setsid sleep \(mark) & sleep \(mark); wait"],
      timeLimit: 1)
    #expect(run.timedOut && !run.succeeded, "\(run)")
    #expect(run.standardOutput == "started\n", "what was printed before is kept")
    #expect(run.seconds < 10)
    try expectNoProcess(with: mark)
  }

  @Test func timeLimitEndsAllRanks() throws {
    let mark = "mark-\(ProcessInfo.processInfo.processIdentifier)"
    let run = try ProgramRun.mpirun(
      ranks: 2, program: ProgramRun.builtProgram(named: "communication-check"),
      arguments: ["hang", mark], timeLimit: 3)
    #expect(run.timedOut && !run.succeeded, "\(run)")
    #expect(run.standardOutput.contains("before the end"), "\(run)")
    try expectNoProcess(with: mark)
  }

  /// Killed processes take a moment to go.
  private func expectNoProcess(with argument: String) throws {
    var left: [String] = []
    for _ in 0..<100 {
      left = try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { name in
        guard let id = Int(name), id != ProcessInfo.processInfo.processIdentifier else {
          return false
        }
        let line = (try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(name)/cmdline"))) ?? Data()
        return line.split(separator: 0).contains { $0.elementsEqual(argument.utf8) }
      }
      if left.isEmpty { return }
      usleep(20_000)
    }
    Issue.record("processes \(left) are still there")
  }
}
