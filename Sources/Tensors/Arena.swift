// One block of memory for everything a step needs, divided once by the lifetimes of its parts.

import Glibc

/// A plan of parts with lifetimes, which assigns offsets so that parts alive together never overlap.
package struct ArenaPlan {
  /// A part of the plan; the number is its place in the order of reservation.
  package struct Part: Sendable {
    fileprivate let index: Int
    /// Floats in the part.
    package let count: Int
  }

  private struct Reservation {
    var count: Int
    var first: Int
    var last: Int
  }

  /// Parts begin at multiples of this many floats: a cache line.
  private static let alignment = 16

  private var reservations: [Reservation] = []

  /// An empty plan.
  package init() {}

  /// Reserves `count` floats, alive from event `first` through event `last`.
  package mutating func reserve(_ count: Int, from first: Int, through last: Int) -> Part {
    precondition(count >= 0 && first <= last, "\(count) floats from \(first) through \(last)")
    let rounded = (count + Self.alignment - 1) / Self.alignment * Self.alignment
    reservations.append(Reservation(count: rounded, first: first, last: last))
    return Part(index: reservations.count - 1, count: count)
  }

  /// Floats that the memory of the plan will have, without allocating it.
  package var floatCount: Int { placement().count }

  /// Assigns offsets and allocates the memory, which is wanted for `purpose`.
  package consuming func allocate(for purpose: String) throws(AllocationError) -> Arena {
    let (offsets, count) = placement()
    return try Arena(offsets: offsets, count: count, for: purpose)
  }

  /// The offset of every part, and the floats in all: largest parts first, each at the lowest
  /// place free during its life.
  private func placement() -> (offsets: [Int], count: Int) {
    var offsets = [Int](repeating: 0, count: reservations.count)
    var placed: [Int] = []
    var total = 0
    for index in reservations.indices.sorted(by: {
      (reservations[$0].count, $1) > (reservations[$1].count, $0)
    }) {
      let part = reservations[index]
      let rivals =
        placed
        .filter { reservations[$0].first <= part.last && part.first <= reservations[$0].last }
        .sorted { offsets[$0] < offsets[$1] }
      var offset = 0
      for rival in rivals {
        if offset + part.count <= offsets[rival] { break }
        offset = max(offset, offsets[rival] + reservations[rival].count)
      }
      offsets[index] = offset
      total = max(total, offset + part.count)
      placed.append(index)
    }
    return (offsets, total)
  }
}

/// The memory of an `ArenaPlan`, zeroed at first, freed with the arena.
package final class Arena: @unchecked Sendable {
  // Unchecked: threads write to disjoint parts, see TensorView.

  /// Floats in all.
  package let count: Int
  private let offsets: [Int]
  private let memory: FloatMemory

  fileprivate init(offsets: [Int], count: Int, for purpose: String) throws(AllocationError) {
    self.offsets = offsets
    self.count = count
    memory = try FloatMemory(count: count, for: purpose)
  }

  deinit { memory.release() }

  /// The address of a part of this arena's plan.
  package func pointer(_ part: ArenaPlan.Part) -> UnsafeMutablePointer<Float> {
    memory.base + offsets[part.index]
  }

  /// A dense view of a part with `shape`.
  ///
  /// - Precondition: the part has room for it.
  package func view(_ part: ArenaPlan.Part, _ shape: ImageShape) -> TensorView {
    precondition(shape.count <= part.count, "\(shape) in a part of \(part.count) floats")
    return TensorView(base: pointer(part), shape: shape)
  }
}

/// A flat buffer of floats, zeroed at first: parameters, gradients, optimiser state.
package final class FloatBuffer: @unchecked Sendable {
  // Unchecked: threads write to disjoint parts, see TensorView.

  /// The first float.
  package var base: UnsafeMutablePointer<Float> { memory.base }
  /// Floats in all.
  package let count: Int
  private let memory: FloatMemory

  /// Floats in a block of a flat buffer, 16 KiB of them.
  ///
  /// Sums of squares and digests are taken over blocks, then over the blocks in order, so that their
  /// bits depend neither on threads nor on ranks. So shards and buckets of gradients are whole blocks.
  @inlinable package static var blockSize: Int { 4096 }

  /// A buffer of `count` zeros, which are wanted for `purpose`: a noun phrase for the error.
  package init(count: Int, for purpose: String) throws(AllocationError) {
    self.count = count
    memory = try FloatMemory(count: count, for: purpose)
  }

  /// Floats that lie elsewhere, which `owner` keeps in place.
  package init(
    at base: UnsafeMutablePointer<Float>, count: Int, keptBy owner: any AnyObject & Sendable
  ) {
    self.count = count
    memory = FloatMemory(at: base, keptBy: owner)
  }

  /// A buffer of `count` zeros, few enough that no user's choice of sizes makes them too many.
  ///
  /// - Precondition: the system grants the memory.
  package convenience init(count: Int) {
    do {
      try self.init(count: count, for: "a buffer of \(count) floats")
    } catch {
      preconditionFailure("\(error)")
    }
  }

  deinit { memory.release() }

  /// The whole buffer.
  package var floats: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: base, count: count)
  }
}

/// Zeroed floats at a cache line's boundary, to be released once; or floats that somebody else keeps.
private struct FloatMemory {
  let base: UnsafeMutablePointer<Float>
  /// Bytes mapped from the system; nil for memory of the heap.
  private let mapped: (start: UnsafeMutableRawPointer, byteCount: Int)?
  /// Who keeps memory that is not this one's own.
  private let owner: (any AnyObject & Sendable)?

  /// What the processor's larger pages hold.
  private static let largePage = 2 << 20

  /// Memory for `count` floats.
  ///
  /// Large blocks come from the system, in large pages where it grants them: the kernels walk
  /// through many planes at once, more than the processor keeps addresses of small pages for. Such
  /// memory is zero without being written, so what a step never touches is never taken.
  init(count: Int, for purpose: String) throws(AllocationError) {
    let (needed, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Float>.stride)
    guard !overflow, needed < Int.max - Self.largePage else {
      throw AllocationError(byteCount: nil, purpose: purpose)
    }
    if needed >= 2 * Self.largePage {
      let byteCount = needed + Self.largePage
      if let start = mmap(
        nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        start != MAP_FAILED
      {
        let address = (Int(bitPattern: start) + Self.largePage - 1) & -Self.largePage
        let aligned = start + (address - Int(bitPattern: start))
        madvise(aligned, needed, MADV_HUGEPAGE)
        mapped = (start, byteCount)
        owner = nil
        base = aligned.bindMemory(to: Float.self, capacity: count)
        return
      }
    }
    let byteCount = max(64, (needed + 63) / 64 * 64)
    guard let memory = aligned_alloc(64, byteCount) else {
      throw AllocationError(byteCount: needed, purpose: purpose)
    }
    memset(memory, 0, byteCount)
    mapped = nil
    owner = nil
    base = memory.bindMemory(to: Float.self, capacity: byteCount / MemoryLayout<Float>.stride)
  }

  /// Memory that `owner` keeps.
  init(at base: UnsafeMutablePointer<Float>, keptBy owner: any AnyObject & Sendable) {
    self.base = base
    self.owner = owner
    mapped = nil
  }

  func release() {
    if owner != nil { return }
    if let mapped {
      munmap(mapped.start, mapped.byteCount)
    } else {
      free(base)
    }
  }
}
