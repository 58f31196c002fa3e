// How a job ends when a rank fails: soon, with one message, and with a status that is not 0.

import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct EndingTests {
  /// The scenario of communication-check and the only message it may print.
  @Test(arguments: [
    ("fail-together", "error: rank 2: no such file: images"),
    ("fail-alike", "error: no such file: images"),
    (
      "differ",
      "error: the configuration on rank 2 is not the one on rank 0: start every rank with the "
        + "same program, the same options and the same files"
    ),
  ])
  func agreedFailureIsToldOnce(scenario: String, message: String) throws {
    let run = try start(scenario)
    #expect(run.exitStatus == 1 && !run.timedOut, "\(run)")
    #expect(messages(of: run) == [message], "\(run)")
    #expect(!run.standardError.contains("MPI_ABORT"), "all ranks leave in good order: \(run)")
  }

  /// The other ranks wait in a barrier that the failing one never enters.
  @Test func failureOfOneRankEndsTheJob() throws {
    let run = try start("fail-alone")
    #expect(run.exitStatus == 1 && !run.timedOut, "\(run)")
    #expect(messages(of: run).count == 1, "\(run)")
    #expect(messages(of: run).first?.hasPrefix("error: rank 2 on ") == true, "\(run)")
    #expect(messages(of: run).first?.hasSuffix(": cannot read tile 7") == true, "\(run)")
  }

  /// Ranks that fail alike speak in turn, and the first ends the job.
  @Test func lowestRankSpeaksFirst() throws {
    let run = try start("fail-at-once")
    #expect(run.exitStatus == 1 && !run.timedOut, "\(run)")
    #expect(messages(of: run).first?.hasPrefix("error: rank 0 on ") == true, "\(run)")
  }

  @Test(arguments: ["fail-together", "fail-alike", "fail-alone"])
  func failureAloneNamesNoRank(scenario: String) throws {
    let run = try ProgramRun(
      ProgramRun.builtProgram(named: "communication-check"), arguments: [scenario], timeLimit: 30)
    #expect(run.exitStatus == 1, "\(run)")
    #expect(messages(of: run).count == 1, "\(run)")
    #expect(!run.standardError.contains("rank"), "\(run)")
  }

  private func start(_ scenario: String) throws -> ProgramRun {
    // A healthy end takes 1 to 3 s, most of it the launcher's.
    try ProgramRun.mpirun(
      ranks: 3, program: ProgramRun.builtProgram(named: "communication-check"),
      arguments: [scenario], timeLimit: 30)
  }

  /// The lines of our own, among those of the launcher.
  private func messages(of run: ProgramRun) -> [String] {
    run.standardError.split(separator: "\n").map(String.init).filter { $0.hasPrefix("error:") }
  }
}
