// How tests start `unet-dist`, alone and with several ranks, and what they ask of its errors.

import Foundation
import TestSupport
import Testing

extension ProgramRun {
  /// Runs `unet-dist`, by mpirun where there are several ranks.
  static func unetDist(
    ranks: Int, _ arguments: [String], environment: [String: String?] = [:],
    timeLimit: Double = 60, disturb: (pid_t) -> Void = { _ in }
  ) throws -> ProgramRun {
    try run(
      builtProgram(named: "unet-dist"), ranks: ranks, arguments, environment: environment,
      timeLimit: timeLimit, disturb: disturb)
  }

  /// Runs any program, by mpirun where there are several ranks.
  static func run(
    _ program: URL, ranks: Int, _ arguments: [String], environment: [String: String?] = [:],
    timeLimit: Double = 60, disturb: (pid_t) -> Void = { _ in }
  ) throws -> ProgramRun {
    if ranks == 1 {
      return try ProgramRun(
        program, arguments: arguments, environment: environment, timeLimit: timeLimit,
        disturb: disturb)
    }
    return try mpirun(
      ranks: ranks, program: program, arguments: arguments,
      // After a failure the launcher would wait for a second before it looks who is still there.
      environment: ["OMPI_MCA_odls_base_sigkill_timeout": "0"].merging(environment) { $1 },
      timeLimit: timeLimit, disturb: disturb)
  }

  /// Writes a shell script and runs it, by mpirun where there are several ranks.
  ///
  /// The shell reads it: to execute a file that was just written fails where another test has started a
  /// program meanwhile, which holds the file open for writing until it runs.
  static func run(
    script text: String, at script: URL, ranks: Int, timeLimit: Double
  ) throws -> ProgramRun {
    try Data(text.utf8).write(to: script)
    return try run(
      URL(fileURLWithPath: "/bin/sh"), ranks: ranks, [script.path], timeLimit: timeLimit)
  }

  /// The messages of the program on standard error; mpirun adds words of its own.
  var errorLines: [String] {
    standardError.split(separator: "\n").map(String.init).filter { $0.hasPrefix("error:") }
  }

  /// Expects that the program ended by itself, with a failure that one line tells about.
  func expectOneError(
    naming parts: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(!timedOut && exitStatus != 0, "\(self)", sourceLocation: sourceLocation)
    // A signal would be a crash: 128 and more.
    #expect(exitStatus < 128, "\(self)", sourceLocation: sourceLocation)
    #expect(errorLines.count == 1, "\(self)", sourceLocation: sourceLocation)
    for part in parts {
      #expect(
        errorLines.joined().contains(part), "no \"\(part)\" in the error of \(self)",
        sourceLocation: sourceLocation)
    }
    // A trap of the language's, which some launchers' status hides.
    #expect(
      !standardError.contains("Fatal error"), "\(self)", sourceLocation: sourceLocation)
  }
}
