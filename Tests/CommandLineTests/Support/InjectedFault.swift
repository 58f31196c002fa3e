// Faults that tests load into one rank of `unet-dist` (Tests/FaultInjector).

import Foundation
import TestSupport

/// A fault of one rank at a moment of a run.
struct Fault {
  var kind: String
  var rank = 0
  var moment: String
  /// The step, nil for every one.
  var step: Int?
  var seed = 0

  /// The variables that make a process fail so; what it did goes to `trace`.
  func environment(trace: String) throws -> [String: String?] {
    let library = try ProgramRun.builtProgram(named: "libFaultInjector.so").path
    return [
      "LD_PRELOAD": library,
      "UNET_DIST_FAULT": "\(kind):\(rank):\(moment):\(step.map { "\($0)" } ?? "*")",
      "UNET_DIST_FAULT_SEED": "\(seed)", "UNET_DIST_FAULT_TRACE": trace,
    ]
  }

  /// The faults that were made, as `environment(trace:)` has them written down.
  static func count(in trace: String) -> Int {
    let text = (try? String(contentsOfFile: trace, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").count
  }
}
