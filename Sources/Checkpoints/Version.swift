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
}
