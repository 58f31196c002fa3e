// How a command joins the other ranks and ends the process.

import ArgumentParser
import Communication
import Foundation
import MPICommunication

/// Runs a command's body on every rank, and ends with its status.
func runCommand(_ body: (any Communicator) throws -> Void) throws {
  let status = Job.run { communicator in
    // A rank whose arguments were wrong fails here, and all others with it.
    try communicator.together {}
    // Other commands would meet in other collective operations.
    try communicator.verifyEqualOnAllRanks([
      NamedDigest(name: "command", text: CommandLine.arguments.dropFirst().first ?? "")
    ])
    try body(communicator)
  }
  if status != 0 { throw ExitCode(status) }
}

/// Runs the body of a command for one process; of several ranks the first one does it.
func runCommandOnce(_ body: () throws -> Void) throws {
  try runCommand { communicator in
    try communicator.together { if communicator.rank == 0 { try body() } }
  }
}
