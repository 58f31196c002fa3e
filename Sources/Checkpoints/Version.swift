// Which program this is: its version, and the revision that it was built from.

import CBuildInformation

/// The version of the program; it stands in logs and checkpoints.
package enum Version {
  /// The number, by semantic versioning.
  package static let number = "0.2.0"
  /// The commit, with "-modified" where files differed from it; "unknown" outside of a clone.
  package static let revision = String(cString: CBuildInformation_revision())
}
