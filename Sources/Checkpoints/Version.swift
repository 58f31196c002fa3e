// Which program this is: its version, and the revision that it was built from.

import CBuildInformation

/// The version of the program; it stands in logs and checkpoints.
package enum Version {
  /// The number, by semantic versioning.
  package static let number = "0.2.0"
  /// The newest commit of the clone it was built in, or "unknown".
  ///
  /// It is known where main or a commit is checked out. Files that differed from it do not show.
  package static let revision = String(cString: CBuildInformation_revision())
  /// The instruction set it was built for, by the compiler's name; `native` is that of the machine.
  package static let instructionSet = String(cString: CBuildInformation_instructionSet())
  /// The compilers of Swift and C that built it.
  package static var compiler: String {
    // By their numbers; what follows is where the C compiler's source lies.
    let c = String(cString: CBuildInformation_compiler()).split(separator: " ").prefix(2)
    return "\(swiftCompiler), \(c.joined(separator: " "))"
  }

  /// Swift's compiler can be asked for its version, but does not tell it.
  private static var swiftCompiler: String {
    #if compiler(>=6.4)
      "Swift 6.4 or newer"
    #elseif compiler(>=6.3)
      "Swift 6.3"
    #else
      "Swift 6.2"
    #endif
  }
}
