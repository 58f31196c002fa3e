// What is said of a step state beside its floats.

import Files
import Foundation

/// The metadata of a state: that of a checkpoint, of which step and epoch stand apart, since they change with every
/// step.
package struct StepStateMetadata: Codable, Equatable, Sendable {
  package let step: Int
  package let epoch: Int
  /// The entries of a checkpoint's metadata, as JSON.
  package let text: [UInt8]
  /// Which of two that are there is the newer one.
  let version: UInt64

  /// The metadata of the state after `step` steps, the last of them in `epoch`.
  package init(step: Int, epoch: Int, text: [UInt8]) {
    self.step = step
    self.epoch = epoch
    self.text = text
    version = 0
  }

  /// The text that ``entries`` are made from again, with entries that no checkpoint has.
  package static func text(
    of checkpoint: Checkpoint, with others: [String: String] = [:]
  ) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(try checkpoint.metadata().merging(others) { $1 }))
  }

  /// The metadata of a checkpoint of this state.
  package var entries: [String: String]? {
    guard var entries = try? JSONDecoder().decode([String: String].self, from: Data(text)) else {
      return nil
    }
    entries["step"] = "\(step)"
    entries["epoch"] = "\(epoch)"
    return entries
  }

  // MARK: Bytes

  /// Where the SHA-256 of all other bytes stands in an area: behind four numbers of 64 bits.
  static let digestRange = 32..<32 + SHA256.byteCount

  /// What an area holds: step, epoch, version and length, the digest, the text.
  func bytes(version: UInt64) -> [UInt8] {
    let numbers = [UInt64(step), UInt64(epoch), version, UInt64(text.count)].flatMap { number in
      withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
    var hash = SHA256()
    hash.update(numbers)
    hash.update(text)
    return numbers + hash.finalize() + text
  }

  /// What an area says of the state after `step` steps; nil where it says nothing, or not all of it.
  init?(area: UnsafeRawBufferPointer, step: Int) {
    func number(_ index: Int) -> UInt64 {
      UInt64(littleEndian: area.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
    }
    let start = Self.digestRange.upperBound
    guard area.count >= start, number(0) == UInt64(step),
      let epoch = Int(exactly: number(1)), let count = Int(exactly: number(3)),
      count <= area.count - start
    else { return nil }
    let text = Array(area[start..<start + count])
    var hash = SHA256()
    hash.update(UnsafeRawBufferPointer(rebasing: area[..<Self.digestRange.lowerBound]))
    hash.update(text)
    guard hash.finalize() == Array(area[Self.digestRange]) else { return nil }
    self.step = step
    self.epoch = epoch
    self.text = text
    version = number(2)
  }
}
