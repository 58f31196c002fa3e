// The mark that says which step states are a run's own.

package import Communication
package import Files
import Foundation

/// The start of a run that keeps step states: which run, and where its states are.
///
/// It stands in the run's folder, and in every file of step states. Each start has a token of its own, so states
/// of an earlier start, or of a run that has gone on elsewhere, are never taken for the newest. A folder that was
/// copied has the mark of another one, which its number in the file system gives away; one that was moved is the same.
package struct StepStateMark: Codable, Equatable, Sendable {
  /// A number of its own for every start.
  package let token: String
  /// The folder of the states.
  package let states: String
  /// The run's folder, without links.
  package let path: String
  /// The number of the run's folder in its file system.
  package let inode: UInt64
  /// The file system's number, which means something on its host only.
  package let device: UInt64
  package let host: String

  /// The mark of a new start of the run in `folder`.
  ///
  /// - Throws: `FileError` where there is no such folder.
  package init(run folder: String, states: String, host: String) throws(FileError) {
    var status = stat()
    guard let path = realpath(folder, nil) else {
      throw FileError(path: folder, operation: "examine", code: errno)
    }
    defer { free(path) }
    guard stat(path, &status) == 0 else {
      throw FileError(path: folder, operation: "examine", code: errno)
    }
    self.path = String(cString: path)
    self.states = states
    self.host = host
    inode = UInt64(status.st_ino)
    device = UInt64(status.st_dev)
    token = String(
      (0..<2).flatMap { _ in String(UInt64.random(in: 1 << 60 ... .max), radix: 16) })
  }

  /// Whether it is the mark of the folder of this status, on the mark's own host.
  func isOf(_ status: stat) -> Bool {
    inode == UInt64(status.st_ino) && device == UInt64(status.st_dev)
  }

  /// The file of the mark in a run's folder.
  package static let name = ".step-state"
  /// No mark is longer.
  private static let longest = 1 << 16

  /// The mark in a run's folder that is its own; nil where there is none.
  package static func read(in folder: String, host: String) -> StepStateMark? {
    guard let bytes = try? InputFile.contents(of: "\(folder)/\(name)", limit: longest),
      let mark = try? JSONDecoder().decode(StepStateMark.self, from: Data(bytes)),
      mark.token.count == 32, mark.token.allSatisfy(\.isHexDigit),
      let here = try? StepStateMark(run: folder, states: mark.states, host: host),
      here.inode == mark.inode,
      // What tells file systems apart on its host tells nothing on another.
      mark.host == host ? here.device == mark.device : here.path == mark.path
    else { return nil }
    return mark
  }

  /// Whether a folder has a mark, be it its own.
  package static func isThere(in folder: String) -> Bool {
    access("\(folder)/\(name)", F_OK) == 0
  }

  /// Puts the mark into the run's folder, in one move.
  ///
  /// Not flushed to the disk: it is of no more use after a crash of the host than the states.
  package func write(in folder: String) throws(FileError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let text = try? encoder.encode(self) else { preconditionFailure("a mark of plain texts") }
    try DurableFile.write(Array(text) + [10], to: "\(folder)/\(Self.name)", isFlushed: false)
  }

  /// The mark that rank 0 has, on every rank; collective.
  package static func shared(
    _ mark: StepStateMark?, _ communicator: any Communicator
  ) throws -> StepStateMark? {
    let told = try communicator.allgatherv(
      mark.map { Array(try JSONEncoder().encode($0)) } ?? [])[0]
    return told.isEmpty ? nil : try JSONDecoder().decode(StepStateMark.self, from: Data(told))
  }

  /// Takes the mark away.
  package static func remove(in folder: String) { unlink("\(folder)/\(name)") }
}
