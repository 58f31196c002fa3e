// The states of a run after its newest steps, in memory that outlives the processes of a host.

package import Files
import Foundation
import Kernels
import Synchronization
package import Tensors

/// A file of step states, as the ranks of a host write it.
///
/// A generation, the state after one step, is in a slot when every rank of the host has put its pieces there and
/// says so in its record, and the metadata is there. A record is made invalid before its pieces are written over,
/// and names the step and a digest when they are whole. So wherever a process is killed, what was whole in another
/// slot still is, and what is not whole is not taken for it.
package final class StepStateFile: Sendable {
  package let layout: StepStateLayout
  private let file: SharedFile
  private let places: StepStateLayout.Places

  /// Makes a file in `folder`, for all ranks of the host to open.
  ///
  /// - Throws: `FileError` where there is no room.
  package static func make(_ layout: StepStateLayout, in folder: String) throws(FileError)
    -> StepStateFile
  {
    guard let text = try? JSONEncoder().encode(layout), text.count <= StepStateLayout.longestHeader
    else {
      throw FileError(
        path: folder, expected: "a layout that fits a header", found: "a longer one")
    }
    let places = layout.places(headerByteCount: text.count)
    let tag = String(UInt64.random(in: .min ... .max), radix: 16)
    let path = "\(folder)/\(StepStateFolder.prefix)\(layout.mark.token)-\(tag)"
    let file = try SharedFile.make(path, byteCount: places.byteCount)
    do throws(FileError) {
      try file.reserve(0..<places.slots)
    } catch {
      file.removeName()
      throw error
    }
    var hash = SHA256()
    hash.update(Array(text))
    let header =
      withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + hash.finalize() + text
    file.bytes.copyBytes(from: header)
    return StepStateFile(layout, file, places)
  }

  /// Opens the file that another rank of the host has made.
  package convenience init(_ path: String, _ layout: StepStateLayout) throws(FileError) {
    guard let text = try? JSONEncoder().encode(layout) else {
      preconditionFailure("a layout of plain texts and numbers")
    }
    let places = layout.places(headerByteCount: text.count)
    self.init(layout, try SharedFile(path, byteCount: places.byteCount), places)
  }

  private init(_ layout: StepStateLayout, _ file: SharedFile, _ places: StepStateLayout.Places) {
    self.layout = layout
    self.file = file
    self.places = places
  }

  /// Where it is.
  package var path: String { file.path }

  /// Takes its name away, so that nobody finds it any more.
  package func removeName() { file.removeName() }

  /// Takes the memory for what a rank puts into a slot.
  package func reserve(slot: Int, localRank: Int) throws(FileError) {
    for piece in layout.pieces(localRank: localRank) {
      let start = places.part(piece.part, slot: slot)
      let stride = MemoryLayout<Float>.stride
      try file.reserve(
        start + piece.range.lowerBound * stride..<start + piece.range.upperBound * stride)
    }
  }

  // MARK: Writing

  /// Says that what a rank has put into a slot is not whole.
  package func invalidate(slot: Int, localRank: Int) {
    record(slot: slot, localRank: localRank).clear()
  }

  /// Puts a rank's pieces of the state after `step` steps into a slot.
  ///
  /// What turns out to be damaged is not taken by a reader, though it counts as put there.
  ///
  /// - Parameters:
  ///   - sources: where the rank has each part: parameters whole, and of the optimiser's state its chunks one after
  ///     the other, or all.
  ///   - isSound: whether a part in the slot, of which a range was copied last, is as it was made.
  package func write(
    step: Int, slot: Int, localRank: Int, from sources: [UnsafePointer<Float>],
    isSound: (_ part: Int, _ floats: UnsafePointer<Float>, Range<Int>) -> Bool = { _, _, _ in true }
  ) {
    precondition(
      sources.count == layout.parts.count, "\(sources.count) of \(layout.parts.count) parts")
    let record = self.record(slot: slot, localRank: localRank)
    record.clear()
    var chain = BufferDigest.Chain(seed: Self.seed(step: step, localRank: localRank))
    // What a rank keeps of a part alone lies side by side there.
    var places = [Int](repeating: 0, count: sources.count)
    var isWhole = true
    for piece in layout.pieces(localRank: localRank) {
      let isApart = piece.part > 0 && layout.chunks != nil
      let source = sources[piece.part] + (isApart ? places[piece.part] : piece.range.lowerBound)
      places[piece.part] += piece.range.count
      let target = floats(part: piece.part, slot: slot) + piece.range.lowerBound
      // Digested while they are in the cache; of what was written, in case that is not what was read.
      for start in stride(from: 0, to: piece.range.count, by: FloatBuffer.blockSize) {
        let count = min(FloatBuffer.blockSize, piece.range.count - start)
        (target + start).update(from: source + start, count: count)
        chain.add(target + start, count: count)
        let range = piece.range.lowerBound + start..<piece.range.lowerBound + start + count
        isWhole = isWhole && isSound(piece.part, floats(part: piece.part, slot: slot), range)
      }
    }
    record.set(step: step, digest: isWhole ? chain.digest : ~chain.digest)
    if localRank == 0 { file.touch() }
  }

  /// Puts the metadata of the state after `step` steps beside it, in place of what was said of it before.
  ///
  /// - Returns: false where it is too long.
  package func write(_ metadata: StepStateMetadata, slot: Int) -> Bool {
    guard metadata.text.count <= layout.metadataCapacity else { return false }
    // Over the one that is not valid, or older.
    let versions = (0..<2).map { index in
      let area = UnsafeRawBufferPointer(self.area(slot: slot, index))
      return StepStateMetadata(area: area, step: metadata.step)?.version ?? 0
    }
    let area = self.area(slot: slot, versions[0] > versions[1] ? 1 : 0)
    let bytes = metadata.bytes(version: max(versions[0], versions[1]) + 1)
    // The digest, which makes it valid, comes last.
    let digest = StepStateMetadata.digestRange
    for index in digest { area[index] = 0 }
    UnsafeMutableRawBufferPointer(rebasing: area[digest.upperBound...])
      .copyBytes(from: bytes[digest.upperBound...])
    UnsafeMutableRawBufferPointer(rebasing: area[..<digest.lowerBound])
      .copyBytes(from: bytes[..<digest.lowerBound])
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    UnsafeMutableRawBufferPointer(rebasing: area[digest]).copyBytes(from: bytes[digest])
    return true
  }

  /// Whether every rank of the host has put its pieces of the state after `step` steps into a slot.
  package func hasAllPieces(ofStep step: Int, slot: Int) -> Bool {
    (0..<layout.localSize).allSatisfy {
      record(slot: slot, localRank: $0).says(step)
    }
  }

  /// The floats of a part in a slot, which this object keeps in place.
  package func buffer(part: Int, slot: Int) -> FloatBuffer {
    FloatBuffer(at: floats(part: part, slot: slot), count: layout.elementCount, keptBy: self)
  }

  private func floats(part: Int, slot: Int) -> UnsafeMutablePointer<Float> {
    pointer(places.part(part, slot: slot)).assumingMemoryBound(to: Float.self)
  }

  private func area(slot: Int, _ which: Int) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      start: pointer(places.area(slot: slot, which)),
      count: StepStateLayout.areaPrefix + layout.metadataCapacity)
  }

  private func pointer(_ offset: Int) -> UnsafeMutableRawPointer {
    guard let base = file.bytes.baseAddress else { preconditionFailure("a file that is mapped") }
    return base + offset
  }

  // MARK: Records

  /// What a rank says of its pieces in a slot: the steps that were made and 1, or 0 while they are not whole; and
  /// their digest.
  private struct Record {
    private let base: UnsafeMutablePointer<Atomic<UInt64>>

    init(_ pointer: UnsafeMutableRawPointer) {
      base = pointer.assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    /// Makes the record invalid.
    func clear() { base[0].store(0, ordering: .sequentiallyConsistent) }

    /// Says that the pieces of the state after `step` steps are whole.
    func set(step: Int, digest: UInt64) {
      base[1].store(digest, ordering: .sequentiallyConsistent)
      base[0].store(UInt64(step) + 1, ordering: .sequentiallyConsistent)
    }

    func says(_ step: Int) -> Bool { base[0].load(ordering: .acquiring) == UInt64(step) + 1 }
  }

  private func record(slot: Int, localRank: Int) -> Record {
    Record(pointer(places.record(slot: slot, localRank: localRank)))
  }

  /// What tells a digest from that of another step, or of another rank's pieces.
  static func seed(step: Int, localRank: Int) -> UInt64 {
    UInt64(step) << 20 | UInt64(localRank) << 1 | 1
  }
}
