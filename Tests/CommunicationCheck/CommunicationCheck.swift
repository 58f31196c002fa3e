// The program that the tests start as several ranks: one way to end for each argument.

import Communication
import Foundation
import Liveness
import MPICommunication

/// A failure of one rank.
private struct Mishap: Error, CustomStringConvertible {
  let description: String
}

@main
private enum CommunicationCheck {
  static func main() {
    let scenario = CommandLine.arguments.dropFirst().first ?? "contract"
    let status = Job.run { communicator in
      try run(scenario, communicator)
      if communicator.rank == 0 { print("ok") }
      return .success
    }
    exit(status.rawValue)
  }

  private static func run(_ scenario: String, _ communicator: any Communicator) throws {
    let isLast = communicator.rank == communicator.size - 1
    switch scenario {
    case "contract":
      try checkContract(communicator)
    case "reducer":
      try checkReducer(communicator)
    case "solo":
      try expect(communicator is SoloCommunicator, equals: true, "solo")
      try checkContract(communicator)
      try expect(MPICommunicator.isInitialized, equals: false, "MPI is initialised")
    case "fail-together":
      try communicator.together {
        if isLast { throw Mishap(description: "no such file: images") }
      }
    case "fail-alike":
      try communicator.together { throw Mishap(description: "no such file: images") }
    case "differ":
      let digest = NamedDigest(name: "configuration", digest: [UInt8(isLast ? 1 : 0)])
      try communicator.verifyEqualOnAllRanks([digest])
    case "fail-alone":
      if isLast { throw Mishap(description: "cannot read tile 7") }
      try communicator.barrier()
    case "fail-at-once":
      throw Mishap(description: "cannot read tile 7")
    case "hang":
      print("before the end")
      fflush(nil)
      while true { sleep(1) }
    case "budget":
      let budget = try ThreadBudget.measure(for: communicator)
      if communicator.rank == 0 { print(budget, budget.warning ?? "no warning", separator: "\n") }
    default:
      throw Mishap(description: "unknown scenario \(scenario)")
    }
  }
}
