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
      try ArgumentEncoding.check()
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
    let launcher = Launcher.detect(in: ProcessInfo.processInfo.environment)
    if exitCode(for: error).isSuccess {
      exit(withError: launcher == nil || launcher?.rank ?? 0 == 0 ? error : nil)
    }
    // The parser's words about arguments; other errors have the form already.
    let isParsers = exitCode(for: error) == .validationFailure
    let text = message(for: error)
    let command = UsageMessage.command(of: CommandLine.arguments.dropFirst(), from: UNetDist.self)
    let fault = UsageFault(
      isUsage: isParsers || isUsage(error),
      description: isParsers ? UsageMessage(text, command: command).description : text)
    // Ranks that were given other arguments hear of it where their own commands begin.
    let status = Job.run { communicator in
      try communicator.together { () throws -> JobStatus in throw fault }
    }
    exit(withError: ExitCode(status.rawValue))
  }
}

/// Arguments that cannot be understood.
private struct UsageFault: ArgumentFault, CustomStringConvertible {
  let isUsage: Bool
  let description: String
}
