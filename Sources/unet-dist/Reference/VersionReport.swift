// What `--version --verbose` prints: which program this is, of what it was built, and on what it runs.

import Checkpoints
import Files
import Foundation
import Kernels
import Liveness
import MPICommunication

/// The program's version, with all that its results and its start depend on.
struct VersionReport: CustomStringConvertible {
  var description: String {
    let rows = [
      ("unet-dist", Version.number),
      ("commit", Version.revision),
      ("built for", "\(Version.instructionSet), vectors of \(VectorRegisters.bits) bits"),
      ("processor", Self.processor),
      ("compiler", Version.compiler),
      ("MPI", "\(MPICommunicator.libraryVersion), built with \(MPICommunicator.headerVersion)"),
      ("BLAS", "\(MatrixProduct.libraryVersion), kernels \(MatrixProduct.kernels)"),
    ]
    return rows.map { $0.0.padding(toLength: 11, withPad: " ", startingAt: 0) + $0.1 + "\n" }
      .joined()
  }

  /// The processor it runs on and the widest instructions of it that are of use here.
  private static var processor: String {
    let text = SystemFile.text(of: "/proc/cpuinfo") ?? ""
    let name = text.split(separator: "\n").first { $0.hasPrefix("model name") }
      .flatMap { $0.split(separator: ":", maxSplits: 1).last }
    return (name.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown") + ", "
      + HostChecks.instructions(text).found
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
