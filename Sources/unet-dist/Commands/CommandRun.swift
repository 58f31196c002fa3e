// How a command joins the other ranks and ends the process.

import ArgumentParser
import Communication
import Foundation
import Liveness
import MPICommunication

/// Runs a command's body on every rank, and ends with the status that it gives.
func runCommandWithStatus(_ body: (any Communicator) throws -> JobStatus) throws {
  let status = Job.run { communicator in
    // A rank whose arguments were wrong fails here, and all others with it.
    try communicator.together {}
    // Other commands would meet in other collective operations.
    try communicator.verifyEqualOnAllRanks([
      NamedDigest(name: "command", text: CommandLine.arguments.dropFirst().first ?? "")
    ])
    return try body(communicator)
  }
  if status != .success { throw ExitCode(status.rawValue) }
}

/// Runs a command's body on every rank; it is done when it returns.
func runCommand(_ body: (any Communicator) throws -> Void) throws {
  try runCommandWithStatus { communicator in
    try body(communicator)
    return .success
  }
}

/// Runs the body of a command for one process; of several ranks the first one does it.
func runCommandOnce(_ body: () throws -> Void) throws {
  try runCommand { communicator in
    try communicator.together { if communicator.rank == 0 { try body() } }
  }
}
