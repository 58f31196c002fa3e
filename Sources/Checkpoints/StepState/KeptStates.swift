// Reading step states back: what is there, whole, and fit to be gone on from.

package import Files
import Foundation
import Kernels
import Tensors

/// A file of step states as somebody finds it, of whom nothing is known and nothing believed.
///
/// It is read, not mapped: it may be cut short meanwhile.
package final class KeptStates {
  package let path: String
  package let layout: StepStateLayout
  private let file: InputFile
  private let places: StepStateLayout.Places

  /// Opens a file.
  ///
  /// - Throws: `FileError` where it is another user's, or not a whole file of step states.
  package init(_ path: String) throws(FileError) {
    let file = try InputFile(path)
    let byteCount = try SharedFile.ownByteCount(of: file.descriptor, path: path)
    func refuse(_ found: String) -> FileError {
      FileError(path: path, expected: "step states", found: found)
    }
    let prefix = try file.bytes(at: 0, count: StepStateLayout.headerPrefix)
    let count = prefix.withUnsafeBytes {
      UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))
    }
    guard count <= StepStateLayout.longestHeader, Int(count) <= byteCount else {
      throw refuse("a header of \(count) bytes")
    }
    let text = try file.bytes(at: StepStateLayout.headerPrefix, count: Int(count))
    var hash = SHA256()
    hash.update(text)
    guard hash.finalize() == Array(prefix[8...]),
      let layout = try? JSONDecoder().decode(StepStateLayout.self, from: Data(text)),
      layout.isPlausible
    else { throw refuse("a header that is damaged or of another version") }
    let places = layout.places(headerByteCount: Int(count))
    guard places.byteCount == byteCount else {
      throw refuse("\(byteCount) bytes in place of \(places.byteCount)")
    }
    self.path = path
    self.layout = layout
    self.places = places
    self.file = file
  }

  /// A state that all ranks of the host have put there, with its metadata.
  package struct Generation: Equatable, Sendable {
    package let slot: Int
    package let metadata: StepStateMetadata

    /// The steps that were made.
    package var step: Int { metadata.step }
  }

  /// The generations that are whole by what records say, newest first; ``isIntact(_:)`` looks at the floats.
  package func generations() throws(FileError) -> [Generation] {
    var found: [Generation] = []
    for slot in 0..<StepStateLayout.slotCount {
      let records = try (0..<layout.localSize).map { (rank) throws(FileError) in
        try record(slot: slot, localRank: rank)
      }
      guard let step = records[0].step, records.allSatisfy({ $0.step == step }),
        let metadata = try metadata(slot: slot, step: step)
      else { continue }
      found.append(Generation(slot: slot, metadata: metadata))
    }
    return found.sorted { $0.step > $1.step }
  }

  /// Whether the floats of a generation are those that were written.
  package func isIntact(_ generation: Generation) throws(FileError) -> Bool {
    let block = FloatBuffer(count: FloatBuffer.blockSize)
    for rank in 0..<layout.localSize {
      var chain = BufferDigest.Chain(
        seed: StepStateFile.seed(step: generation.step, localRank: rank))
      for piece in layout.pieces(localRank: rank) {
        for start in stride(
          from: piece.range.lowerBound, to: piece.range.upperBound, by: FloatBuffer.blockSize)
        {
          let count = min(FloatBuffer.blockSize, piece.range.upperBound - start)
          try read(generation, part: piece.part, start..<start + count, into: block.base)
          chain.add(block.base, count: count)
        }
      }
      let record = try record(slot: generation.slot, localRank: rank)
      guard record.step == generation.step, record.digest == chain.digest else { return false }
    }
    return true
  }

  /// The ranges of a part that are here.
  package func ranges(ofPart part: Int) -> [Range<Int>] {
    (0..<layout.localSize).flatMap { rank in
      layout.pieces(localRank: rank).filter { $0.part == part }.map(\.range)
    }
  }

  /// Reads floats of a part.
  package func read(
    _ generation: Generation, part: Int, _ range: Range<Int>,
    into floats: UnsafeMutablePointer<Float>
  ) throws(FileError) {
    let stride = MemoryLayout<Float>.stride
    let start = places.part(part, slot: generation.slot) + range.lowerBound * stride
    try file.read(
      UnsafeMutableRawBufferPointer(start: floats, count: range.count * stride), at: start)
  }

  // MARK: Pieces of the file

  private func record(
    slot: Int, localRank: Int
  ) throws(FileError) -> (step: Int?, digest: UInt64) {
    let start = places.record(slot: slot, localRank: localRank)
    let bytes = try file.bytes(at: start, count: 16)
    return bytes.withUnsafeBytes { bytes in
      let step = bytes.loadUnaligned(as: UInt64.self)
      return (
        step == 0 ? nil : Int(exactly: step - 1),
        bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
      )
    }
  }

  private func metadata(slot: Int, step: Int) throws(FileError) -> StepStateMetadata? {
    var newest: StepStateMetadata?
    for which in 0..<2 {
      let start = places.area(slot: slot, which)
      let bytes = try file.bytes(
        at: start, count: StepStateLayout.areaPrefix + layout.metadataCapacity)
      let metadata = bytes.withUnsafeBytes { StepStateMetadata(area: $0, step: step) }
      if let metadata, metadata.version > newest?.version ?? 0 { newest = metadata }
    }
    return newest
  }
}
