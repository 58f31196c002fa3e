// What ties a process to the one that has started it.

import CLiveness

/// The bond of a process with its parent.
package enum ProcessBond {
  /// Has the system kill this process when its parent `process` ends; at once if it has.
  package static func endWithParent(_ process: Int32) { CLiveness_end_with_parent(process) }
}
