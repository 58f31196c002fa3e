// The promises of a communicator, with real ranks.

import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct ContractTests {
  @Test(arguments: 1...4)
  func holdsWithRanks(_ ranks: Int) throws {
    let run = try ProgramRun.mpirun(
      ranks: ranks, program: ProgramRun.builtProgram(named: "communication-check"), timeLimit: 60)
    #expect(run.succeeded, "\(run)")
    #expect(run.standardOutput == "ok\n", "\(run)")
  }

  @Test(arguments: [5, 6, 8])
  func sumsGradientsWithRanks(_ ranks: Int) throws {
    let run = try ProgramRun.mpirun(
      ranks: ranks, program: ProgramRun.builtProgram(named: "communication-check"),
      arguments: ["reducer"], timeLimit: 60)
    #expect(run.succeeded, "\(run)")
    #expect(run.standardOutput == "ok\n", "\(run)")
  }

  /// The program itself looks whether MPI was initialised.
  @Test func holdsAloneWithoutMPI() throws {
    let run = try ProgramRun(
      ProgramRun.builtProgram(named: "communication-check"), arguments: ["solo"],
      timeLimit: 30)
    #expect(run.succeeded, "\(run)")
    #expect(run.standardOutput == "ok\n", "\(run)")
  }
}
