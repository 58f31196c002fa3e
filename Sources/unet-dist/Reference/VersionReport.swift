// What `--version --verbose` prints: which program this is, of what it was built, and on what it runs.

import Checkpoints
import Files
import Foundation
import Kernels
import MPICommunication

/// The program's version, with all that its results and its start depend on.
struct VersionReport: CustomStringConvertible {
  var description: String {
    let rows = [
      ("unet-dist", Version.number),
      ("commit", Version.revision),
      ("built for", "\(Version.instructionSet), vectors of \(VectorRegisters.bits) bits"),
      ("compiler", Version.compiler),
      ("MPI", "\(MPICommunicator.libraryVersion), built with \(MPICommunicator.headerVersion)"),
      ("BLAS", "\(MatrixProduct.libraryVersion), kernels \(MatrixProduct.kernels)"),
    ]
    return rows.map { $0.0.padding(toLength: 11, withPad: " ", startingAt: 0) + $0.1 + "\n" }
      .joined()
  }

  /// Prints it and ends the process.
  func printAndExit() -> Never {
    do {
      try printText(description)
      exit(0)
    } catch {
      printWarning("\(error)")
      exit(1)
    }
  }
}
