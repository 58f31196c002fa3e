// Runs of `unet-dist` whose ranks are not started alike.

import Foundation
import TestSupport

/// How one rank of a run is started.
struct RankStart {
  var arguments: [String]
  /// Where it runs, so that one relative path can name another file on each rank.
  var workingFolder = "."
  var environment: [String: String] = [:]
}

extension ProgramRun {
  /// Runs `unet-dist` on as many ranks as there are starts, by a script that is put into `folder`.
  static func unetDist(_ folder: String, differing starts: [RankStart]) throws -> ProgramRun {
    let program = try ProgramRun.builtProgram(named: "unet-dist").path
    let cases = starts.enumerated().map { rank, start in
      let variables = start.environment.map { "\($0.key)='\($0.value)' " }.joined()
      let arguments = start.arguments.map { " '\($0)'" }.joined()
      return "\(rank)) cd '\(start.workingFolder)' && \(variables)exec '\(program)'\(arguments);;"
    }
    let text = """
      #!/bin/sh
      case "$\(MPILauncher.rankVariable)" in
      \(cases.joined(separator: "\n"))
      esac
      """
    let script = URL(fileURLWithPath: folder + "/differing.sh")
    return try run(
      script: text, at: script, ranks: starts.count, timeLimit: ErrorTests.patience)
  }
}
