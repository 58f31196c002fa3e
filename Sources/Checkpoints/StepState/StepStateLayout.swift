// What lies where in a file of step states.

import Files
import Foundation
import Tensors

/// The layout of a file of step states, which stands at its beginning.
///
///     header       bytes of the text, its SHA-256, the text: this layout as JSON
///     records      of each slot and each rank of the host: which step it has put there, and its digest
///     metadata     of each slot two areas, of which one is valid while the other is written
///     slots        all parameters, then each part of the optimiser's state, flat
///
/// All parts begin at pages, so that memory can be reserved for each.
package struct StepStateLayout: Codable, Equatable, Sendable {
  /// The version of this layout; a reader takes no other.
  static let format = "unet-dist step state 1"
  /// Two generations, and one more that a checkpoint is being written from.
  package static let slotCount = 3

  private var format = Self.format
  /// The run that the states are of.
  package let mark: StepStateMark
  /// Floats of the parameters, and of each part of the optimiser's state.
  package let elementCount: Int
  /// The names of the parts: the parameters' is empty.
  package let parts: [String]
  /// The parameters whose optimiser state each rank of the host keeps; nil where each keeps all of it.
  package let chunks: [[Range<Int>]]?
  /// The ranks of the host.
  package let localSize: Int
  /// Bytes that the text of the metadata may have.
  package let metadataCapacity: Int

  /// A layout for `localSize` ranks, each of which has all parameters, and `chunks` of the optimiser's state.
  package init(
    mark: StepStateMark, elementCount: Int, stateNames: [String], chunks: [[Range<Int>]]?,
    localSize: Int, metadataCapacity: Int
  ) {
    self.mark = mark
    self.elementCount = elementCount
    parts = [""] + stateNames
    self.chunks = chunks
    self.localSize = localSize
    self.metadataCapacity = metadataCapacity
  }

  /// A run of floats of one part.
  struct Piece: Equatable {
    let part: Int
    let range: Range<Int>
  }

  /// What a rank of the host puts into a slot.
  ///
  /// What all of them have they share out; of what a rank alone keeps it puts all.
  func pieces(localRank: Int) -> [Piece] {
    let share = self.share(localRank: localRank)
    return parts.indices.flatMap { part -> [Piece] in
      guard part > 0, let chunks else { return [Piece(part: part, range: share)] }
      return chunks[localRank].map { Piece(part: part, range: $0) }
    }.filter { !$0.range.isEmpty }
  }

  /// The rank's share of what all have, in whole blocks.
  private func share(localRank: Int) -> Range<Int> {
    let blocks = (elementCount + FloatBuffer.blockSize - 1) / FloatBuffer.blockSize
    func start(_ rank: Int) -> Int {
      min(elementCount, blocks * rank / localSize * FloatBuffer.blockSize)
    }
    return start(localRank)..<start(localRank + 1)
  }

  /// Whether the ranks of the host have all of the state between them.
  package var isWhole: Bool {
    guard let chunks else { return true }
    return chunks.joined().reduce(0) { $0 + $1.count } == elementCount
  }

  /// Whether a file may say this of itself; it may say anything.
  var isPlausible: Bool {
    guard format == Self.format, (1...1 << 40).contains(elementCount),
      (1...16).contains(parts.count),
      parts[0].isEmpty, (1...65_536).contains(localSize), (1...1 << 26).contains(metadataCapacity)
    else { return false }
    guard let chunks else { return true }
    return chunks.count == localSize
      && chunks.joined().allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= elementCount }
  }
}

// MARK: - Places

extension StepStateLayout {
  static let page = 4096
  /// The bytes of a header's text come first, then its digest.
  static let headerPrefix = 8 + SHA256.byteCount
  /// No header is longer.
  static let longestHeader = 1 << 26
  /// Two numbers of 64 bits, alone on their line of the cache.
  static let recordStride = 64
  /// What stands before the text of an area of metadata.
  static let areaPrefix = 64

  private static func pages(_ byteCount: Int) -> Int { (byteCount + page - 1) / page * page }

  /// The places that follow from a header of `headerByteCount` bytes.
  struct Places {
    let records: Int
    let areas: Int
    let slots: Int
    let byteCount: Int
    fileprivate let areaStride: Int
    fileprivate let partStride: Int
    fileprivate let partCount: Int
    fileprivate let localSize: Int

    /// Where the record of a rank stands.
    func record(slot: Int, localRank: Int) -> Int {
      records + (slot * localSize + localRank) * StepStateLayout.recordStride
    }

    /// Where one of the two areas of a slot's metadata begins.
    func area(slot: Int, _ which: Int) -> Int { areas + (2 * slot + which) * areaStride }

    /// Where the first float of a part is.
    func part(_ part: Int, slot: Int) -> Int { slots + (slot * partCount + part) * partStride }
  }

  func places(headerByteCount: Int) -> Places {
    let areaStride = Self.pages(Self.areaPrefix + metadataCapacity)
    let partStride = Self.pages(elementCount * MemoryLayout<Float>.stride)
    let records = Self.pages(Self.headerPrefix + headerByteCount)
    let areas = records + Self.pages(Self.slotCount * localSize * Self.recordStride)
    let slots = areas + 2 * Self.slotCount * areaStride
    return Places(
      records: records, areas: areas, slots: slots,
      byteCount: slots + Self.slotCount * parts.count * partStride, areaStride: areaStride,
      partStride: partStride, partCount: parts.count, localSize: localSize)
  }

  /// Bytes of one slot, as far as the ranks of this host fill it.
  package var slotByteCount: Int {
    (0..<localSize).reduce(0) { sum, rank in
      sum + pieces(localRank: rank).reduce(0) { $0 + $1.range.count }
    } * MemoryLayout<Float>.stride
  }
}
