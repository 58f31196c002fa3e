// What a program printed as JSON.

import Foundation
import TestSupport
import Testing

extension ProgramRun {
  /// The one JSON object that the program printed, and nothing else, on standard output.
  func jsonObject() throws -> [String: Any] {
    #expect(succeeded, "\(self)")
    #expect(standardOutput.filter { $0 == "\n" }.count == 1, "\(self)")
    let value = try JSONSerialization.jsonObject(with: Data(standardOutput.utf8))
    return try #require(value as? [String: Any], "\(self)")
  }

  /// Runs `unet-dist` alone.
  static func unetDist(_ arguments: String...) throws -> ProgramRun {
    try ProgramRun(builtProgram(named: "unet-dist"), arguments: arguments, timeLimit: 60)
  }
}
