// The folder that a run is written to: its files, links and lock.

import Checkpoints
package import Datasets
package import Files
import Foundation

/// The `--output` folder of a run, held by one process at a time.
///
///     OUTPUT/config.yaml                              the resolved configuration
///     OUTPUT/log.jsonl                                one JSON object a line
///     OUTPUT/split.json                               what is trained on, and what validated on
///     OUTPUT/checkpoints/step-00000100.safetensors    the checkpoints
///     OUTPUT/latest.safetensors, best.safetensors     relative links into checkpoints
///     OUTPUT/.lock                                    locked while a run writes here, see `FolderLock`
///     OUTPUT/.step-state                              where the states after the newest steps are, while they are
///
/// Only one rank opens it. The lock ends with the process at the latest.
package final class RunFolder: Sendable {
  /// A link to a checkpoint.
  package enum Link: String, CaseIterable, Sendable {
    /// The checkpoint written last.
    case latest
    /// The checkpoint with the best validation score.
    case best
  }

  /// The path as the user gave it.
  package let path: String
  /// Whether a run was here that has ended before its first checkpoint, and now begins again.
  package let beginsAgain: Bool
  private let lock: FolderLock

  /// Opens the folder, creating what is missing, and locks it.
  ///
  /// A run that has saved nothing is not lost when it begins again; its log is removed.
  ///
  /// - Parameters:
  ///   - path: the folder; folders above it are created too.
  ///   - resuming: whether a run that is there already is to be continued.
  ///   - hasNoStates: whether the states that its mark speaks of were looked for, and are gone.
  /// - Throws: when it cannot be written, holds a run that is not resumed, or is in use.
  package init(path: String, resuming: Bool, hasNoStates: Bool = false) throws(FileError) {
    self.path = path
    try Folder.make(path)
    lock = try FolderLock(path)
    let existing = resuming ? nil : try Self.trace(of: path, hasNoStates: hasNoStates)
    // This program makes the folder of checkpoints before anything else.
    let hasSaved = existing?.isSaved == true || !Folder.isFolder(path + "/checkpoints")
    if let existing, hasSaved {
      throw FileError(
        path: path, expected: "a folder without a run", found: "one (\(existing.name))",
        hint: existing.name == StepStateMark.name
          ? "--resume-or-start goes on from its states in memory, or begins again where they are gone; "
            + "or give another --output"
          : "continue it with --resume, or give another --output")
    }
    beginsAgain = existing != nil
    if beginsAgain { unlink(path + "/log.jsonl") }
    try Folder.make(path + "/checkpoints")
    // Nobody else writes while the lock is held.
    DurableFile.removePartialFiles(in: path, unwrittenFor: 0)
    DurableFile.removePartialFiles(in: path + "/checkpoints", unwrittenFor: 0)
    for link in Link.allCases { unlink("\(path)/\(link.rawValue).safetensors.tmp") }
    guard access(path, W_OK | X_OK) == 0 else { throw .refused("write to the folder", path) }
  }
}

// MARK: - Paths

extension RunFolder {
  /// The resolved configuration.
  package var configurationPath: String { path + "/config.yaml" }
  /// The log.
  package var logPath: String { path + "/log.jsonl" }

  /// The division into training and validation.
  package static func divisionPath(in folder: String) -> String { folder + "/split.json" }

  /// The link's own path.
  package func path(of link: Link) -> String { path + "/" + link.rawValue + ".safetensors" }

  /// The checkpoint after `step` steps.
  package func checkpointPath(step: Int) -> String {
    path + "/checkpoints/" + Self.checkpointName(step: step)
  }

  private static func checkpointName(step: Int) -> String {
    let digits = String(step)
    return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
      + ".safetensors"
  }

  /// The step in a checkpoint's name, or nil where the name is another's.
  private static func step(ofCheckpoint name: String) -> Int? {
    guard name.hasPrefix("step-"), name.hasSuffix(".safetensors") else { return nil }
    guard let step = Int(name.dropFirst(5).dropLast(12)), step >= 0 else { return nil }
    return checkpointName(step: step) == name ? step : nil
  }

  /// The step of a checkpoint that may be read; nil for what is a folder, a pipe, or a link to nothing.
  private static func step(ofReadable name: String, in folder: String) -> Int? {
    var status = stat()
    guard let step = step(ofCheckpoint: name), stat("\(folder)/checkpoints/\(name)", &status) == 0,
      status.st_mode & S_IFMT == S_IFREG
    else { return nil }
    return step
  }
}

// MARK: - Contents

extension RunFolder {
  /// Replaces the configuration file, so that it is whole at any time.
  package func writeConfiguration(_ yaml: String) throws(FileError) {
    try DurableFile.write(yaml, to: configurationPath)
  }

  /// Replaces the file of the division into training and validation.
  package func writeDivision(_ division: SplitFile) throws(FileError) {
    try DurableFile.write(division.text(), to: Self.divisionPath(in: path))
  }

  /// The steps of the checkpoints that are there, in rising order.
  package func checkpointSteps() throws(FileError) -> [Int] {
    try Folder.names(in: path + "/checkpoints")
      .compactMap { Self.step(ofReadable: $0, in: path) }.sorted()
  }

  /// Whether there is anything in a folder that need not be opened from which a run could go on, be it
  /// damaged.
  ///
  /// - Throws: where the folder cannot be listed: what cannot be seen is not nothing.
  package static func hasCheckpoint(in folder: String) throws(FileError) -> Bool {
    try checkpointNames(in: folder).contains { step(ofCheckpoint: $0) != nil || isPutAside($0) }
      || hasLatest(in: folder)
  }

  /// The names in a run's folder of checkpoints; none where there is no such folder.
  private static func checkpointNames(in folder: String) throws(FileError) -> [String] {
    do throws(FileError) {
      return try Folder.names(in: folder + "/checkpoints")
    } catch  where error.code == ENOENT || error.code == ENOTDIR {
      return []
    }
  }

  /// Whether a run has named a checkpoint its newest, be that still there or not.
  private static func hasLatest(in folder: String) -> Bool {
    var status = stat()
    return lstat("\(folder)/\(Link.latest.rawValue).safetensors", &status) == 0
  }

  /// The newest checkpoint of a folder that need not be opened, or nil.
  static func newestCheckpoint(in folder: String) throws(FileError) -> String? {
    try checkpointNames(in: folder).compactMap { step(ofReadable: $0, in: folder) }.max().map {
      folder + "/checkpoints/" + checkpointName(step: $0)
    }
  }

  /// The newest checkpoint, from which a run without a path given is resumed.
  ///
  /// - Throws: when there is none.
  package func newestCheckpoint() throws(FileError) -> String {
    checkpointPath(step: try newestStep())
  }

  /// The step of the newest checkpoint.
  ///
  /// - Throws: when there is none.
  func newestStep() throws(FileError) -> Int {
    guard let step = try checkpointSteps().last else {
      let names = try Self.checkpointNames(in: path)
      let hasDamaged = names.contains { Self.step(ofCheckpoint: $0) != nil || Self.isPutAside($0) }
      let hasLatest = Self.hasLatest(in: path)
      throw FileError(
        path: path + "/checkpoints", expected: "a checkpoint to resume from",
        found: hasDamaged
          ? "damaged ones only"
          : hasLatest ? "none; latest.safetensors points to one that is gone" : "none",
        hint: hasDamaged || hasLatest
          ? "give --resume PATH, or start anew in another --output"
          : "give --resume-or-start, which begins again, or --resume PATH")
    }
    return step
  }

  /// The step whose checkpoint `link` points to, or nil.
  package func step(of link: Link) -> Int? { Self.step(of: link, in: path) }

  /// The step whose checkpoint a link in a folder points to that need not be opened, or nil.
  static func step(of link: Link, in folder: String) -> Int? {
    let path = "\(folder)/\(link.rawValue).safetensors"
    let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path)
    return target.flatMap { $0.split(separator: "/").last }.flatMap {
      Self.step(ofCheckpoint: String($0))
    }
  }

  /// Lets `link` point to the checkpoint of `step`, in one move from the old one.
  package func point(_ link: Link, toStep step: Int) throws(FileError) {
    let temporary = path(of: link) + ".tmp"
    // One left by a run that was killed in between.
    unlink(temporary)
    guard symlink("checkpoints/" + Self.checkpointName(step: step), temporary) == 0 else {
      throw .refused("create the link", temporary)
    }
    guard rename(temporary, path(of: link)) == 0 else {
      throw .refused("replace the link", path(of: link))
    }
  }

  /// Points `latest` to the checkpoint of `step`, from which the run goes on, if it is here.
  package func goOn(from step: Int) throws(FileError) {
    if try checkpointSteps().contains(step) { try point(.latest, toStep: step) }
  }

  /// Removes the checkpoints after `step` but for `new`, the first of the course that was taken instead, and
  /// what this course has called its best.
  package func abandon(after step: Int, for new: Int) throws(FileError) {
    let best = self.step(of: .best)
    for later in try checkpointSteps() where later > step && later != new && later != best {
      try remove(path: checkpointPath(step: later))
    }
  }

  /// Renames a checkpoint that is damaged, so that it is not taken again.
  ///
  /// - Returns: its path from now on.
  package func putAside(_ checkpoint: String) throws(FileError) -> String {
    let aside = checkpoint + Self.damagedSuffix
    guard rename(checkpoint, aside) == 0 else { throw .refused("rename", checkpoint) }
    return aside
  }

  private static let damagedSuffix = ".damaged"

  private static func isPutAside(_ name: String) -> Bool {
    name.hasSuffix(damagedSuffix)
      && step(ofCheckpoint: String(name.dropLast(damagedSuffix.count))) != nil
  }

  /// The mark of the start whose step states are the run's newest; nil where no states are kept.
  func stepStateMark(host: String) -> StepStateMark? { StepStateMark.read(in: path, host: host) }

  /// Whether there is a mark, be it damaged or another run's.
  var hasStepStateMark: Bool { StepStateMark.isThere(in: path) }

  /// Tells that there are no step states of this run any more.
  func removeStepStateMark() { StepStateMark.remove(in: path) }

  /// Points `best` to the checkpoint of `step`, or removes the link where there is none.
  ///
  /// - Returns: whether it is there.
  package func restoreBest(step: Int?) throws(FileError) -> Bool {
    if let step, try checkpointSteps().contains(step) {
      try point(.best, toStep: step)
      return true
    }
    try remove(path: path(of: .best))
    return false
  }

  /// Removes a file or a link, unless it is gone already.
  private func remove(path: String) throws(FileError) {
    guard unlink(path) == 0 || errno == ENOENT else { throw .refused("remove the file", path) }
  }

  /// Removes all checkpoints but the newest `keep` and those that a link points to.
  ///
  /// - Returns: the steps whose checkpoints were removed.
  @discardableResult
  package func prune(keep: Int) throws(FileError) -> [Int] {
    let linked = Set(Link.allCases.compactMap { step(of: $0) })
    let removable = try checkpointSteps().dropLast(max(1, keep)).filter { !linked.contains($0) }
    for step in removable { try remove(path: checkpointPath(step: step)) }
    return removable
  }
}

// MARK: - Opening

extension RunFolder {
  /// What shows that there is a run in `folder`, or nil.
  private static func trace(
    of folder: String, hasNoStates: Bool
  ) throws(FileError) -> (name: String, isSaved: Bool)? {
    let names = try checkpointNames(in: folder)
    if let name = names.first(where: { step(ofCheckpoint: $0) != nil || isPutAside($0) }) {
      return ("checkpoints/" + name, true)
    }
    // Its checkpoints were moved elsewhere.
    if hasLatest(in: folder) { return ("\(Link.latest.rawValue).safetensors", true) }
    // Its steps are in memory alone, be it on other hosts.
    if !hasNoStates, StepStateMark.isThere(in: folder),
      LogLine.mayTellOfSteps(folder + "/log.jsonl")
    {
      return (StepStateMark.name, true)
    }
    for name in ["config.yaml", "log.jsonl"] where access(folder + "/" + name, F_OK) == 0 {
      return (name, false)
    }
    return nil
  }
}

extension FileError {
  /// What `errno` says after `operation` on a part of a run failed.
  static func refused(_ operation: String, _ path: String) -> FileError {
    FileError(path: path, operation: operation, code: errno)
  }
}
