// The control groups of this process, found in what the kernel tells of them.

import Foundation
import Liveness

/// The control groups that a process is in, as folders of files that hold their limits.
package enum ControlGroups {
  /// A folder of the control groups' file system.
  package struct Folder: Equatable, Sendable {
    /// Its path.
    package let path: String
    /// Whether it is of version 2 of the interface.
    package let isUnified: Bool
  }

  /// The folders of this process's group and those around it, innermost first, for each hierarchy
  /// with `controller`.
  ///
  /// - Parameters:
  ///   - groups: the content of `/proc/self/cgroup`: number, controllers and path in each line.
  ///   - mounts: the content of `/proc/self/mountinfo`.
  package static func folders(
    controller: String, groups: String, mounts: String
  ) -> [Folder] {
    let mounts = mounts.split(separator: "\n").compactMap { Mount($0) }
    return groups.split(separator: "\n").flatMap { line -> [Folder] in
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { return [] }
      let isUnified = fields[1].isEmpty
      guard isUnified || fields[1].split(separator: ",").contains(Substring(controller)) else {
        return []
      }
      let mount = mounts.first {
        isUnified ? $0.isUnified : !$0.isUnified && $0.options.contains(controller)
      }
      guard let mount else { return [] }
      return mount.folders(of: String(fields[2])).map { Folder(path: $0, isUnified: isUnified) }
    }
  }

  /// The text of a file of this host, nil where it cannot be read.
  static func text(_ path: String) -> String? {
    SystemFile.text(of: path)
  }

  /// A place where control groups are mounted.
  private struct Mount {
    /// The group that is seen at the place.
    let root: String
    let place: String
    let isUnified: Bool
    let options: [String]

    /// One line of the table; nil for other file systems.
    ///
    /// Number, parent, device, root, place, options, any number of others, "-", type, source, options
    /// of the file system.
    init?(_ line: Substring) {
      let fields = line.split(separator: " ").map(String.init)
      guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count >= dash + 4 else {
        return nil
      }
      let type = fields[dash + 1]
      guard type == "cgroup" || type == "cgroup2" else { return nil }
      (root, place) = (fields[3], fields[4])
      isUnified = type == "cgroup2"
      options = fields[dash + 3].split(separator: ",").map(String.init)
    }

    /// The folders of a group and those around it, as far as they are seen here.
    ///
    /// A container may see its own group as the root of the file system, and be told the path that
    /// the host knows.
    func folders(of group: String) -> [String] {
      let (rootNames, groupNames) = (root.split(separator: "/"), group.split(separator: "/"))
      let isInside = groupNames.starts(with: rootNames)
      let names = isInside ? Array(groupNames.dropFirst(rootNames.count)) : []
      return (0...names.count).reversed().map { depth in
        ([place] + names.prefix(depth).map(String.init)).joined(separator: "/")
      }
    }
  }
}
