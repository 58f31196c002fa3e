// The command line: arguments in, exit status out.

package import ArgumentParser
import Checkpoints
import Communication
import Files
import Foundation
import Liveness
import MPICommunication

@main
package struct UNetDist: ParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "unet-dist", abstract: "Trains a U-Net on one process or many.",
    version: Version.number,
    subcommands: [
      TrainCommand.self, EvaluateCommand.self, PredictCommand.self, ExportCommand.self,
      ReportCommand.self, InspectCommand.self, SynthCommand.self, ImportCommand.self,
      PreviewCommand.self, DoctorCommand.self, BenchCommand.self, ManualCommand.self,
      ProgressCommand.self,
    ])

  @Flag(help: "With --version: also what the program was built with, and what it runs on.")
  var verbose = false

  package init() {}

  /// Reads the arguments, runs the command that they name, and ends the process.
  package static func main() {
    StandardStreams.prepare()
    StopSignal.explainFaults()
    if Set(CommandLine.arguments.dropFirst()) == ["--version", "--verbose"] {
      VersionReport().printAndExit()
    }
    do {
      var command = try parseAsRoot()
      try command.run()
      exit()
    } catch let status as ExitCode {
      // The command has said already what there was to say.
      exit(withError: status)
    } catch {
      exitOnce(error)
    }
  }

  /// Prints a help text, or what is wrong with the arguments, once for all ranks; ends the process.
  private static func exitOnce(_ error: any Error) -> Never {
    guard let launcher = Launcher.detect(in: ProcessInfo.processInfo.environment) else {
      exit(withError: error)
    }
    let status = exitCode(for: error)
    if status.isSuccess { exit(withError: launcher.rank ?? 0 == 0 ? error : nil) }
    let text = fullMessage(for: error)
    let prefix = "Error: "
    let message = text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text
    // Ranks that were given other arguments hear of it where their own commands begin.
    _ = Job.run { communicator in
      try communicator.together { () throws -> JobStatus in
        throw UsageFailure(description: message)
      }
    }
    exit(withError: status)
  }
}

/// Arguments that cannot be understood, in the parser's words.
private struct UsageFailure: Error, CustomStringConvertible {
  let description: String
}
