// Digests of parameters and optimiser state, which guard them from one update to the next.

package import Kernels
package import Tensors
package import Threading

/// The digests of what a rank keeps between updates, taken right after an update and compared before the
/// next one.
///
/// Nothing but an update changes parameters or state. So bits that differ were changed by a fault of the
/// memory, and that is known on the rank alone, be it the only one that has them. Buffers are cut into
/// pieces of one tensor each, so that a fault can be named and mended by itself.
package final class StateGuard {
  /// A buffer that is guarded.
  package final class Part {
    /// What messages call it, such as "weights".
    package let name: String
    package let values: FloatBuffer
    /// Whether every rank has the same.
    package let isReplica: Bool
    /// The pieces of the buffer, in rising order, and the number of the parameter that each belongs to.
    private let pieces: UnsafeMutableBufferPointer<Range<Int>>
    private let parameters: [Int]
    /// The place of each piece among the network's parameters.
    private let places: [Range<Int>]
    /// The digests that were kept, and those that were taken to compare with them.
    fileprivate let kept, taken: UnsafeMutableBufferPointer<UInt64>

    /// The part that holds the `chunks` of parameters one after the other.
    fileprivate init(
      name: String, values: FloatBuffer, chunks: [Range<Int>], layout: [Parameter], isReplica: Bool
    ) {
      (self.name, self.values, self.isReplica) = (name, values, isReplica)
      var (ranges, places, parameters): ([Range<Int>], [Range<Int>], [Int]) = ([], [], [])
      var offset = 0
      for chunk in chunks {
        for (number, parameter) in layout.enumerated() {
          let slot = parameter.slot
          let own = chunk.clamped(to: slot.offset..<slot.offset + slot.count)
          var start = own.lowerBound
          while start < own.upperBound {
            // Cut where updates are cut, too.
            let next = (start / BufferDigest.pieceCount + 1) * BufferDigest.pieceCount
            let place = start..<min(next, own.upperBound)
            let shift = offset - chunk.lowerBound
            places.append(place)
            ranges.append(place.lowerBound + shift..<place.upperBound + shift)
            parameters.append(number)
            start = place.upperBound
          }
        }
        offset += chunk.count
      }
      precondition(offset == values.count, "\(offset) floats of \(values.count)")
      (self.places, self.parameters) = (places, parameters)
      pieces = .allocate(capacity: ranges.count)
      _ = pieces.initialize(from: ranges)
      kept = .allocate(capacity: ranges.count)
      taken = .allocate(capacity: ranges.count)
      kept.initialize(repeating: 0)
      taken.initialize(repeating: 0)
    }

    deinit {
      pieces.deallocate()
      kept.deallocate()
      taken.deallocate()
    }

    /// The number of pieces.
    package var pieceCount: Int { pieces.count }

    /// The floats of a piece.
    package func floats(ofPiece piece: Int) -> UnsafeMutableBufferPointer<Float> {
      UnsafeMutableBufferPointer(rebasing: values.floats[pieces[piece]])
    }

    /// The numbers of the parameters that some pieces belong to, in rising order.
    package func parameters(ofPieces pieces: [Int]) -> [Int] {
      Set(pieces.map { parameters[$0] }).sorted()
    }

    /// Digests the pieces that hold parameters of `range`.
    fileprivate func digest(
      _ range: Range<Int>? = nil, into digests: UnsafeMutableBufferPointer<UInt64>,
      on team: ThreadTeam
    ) {
      let first = range.map { range in firstPiece { $0.upperBound > range.lowerBound } } ?? 0
      let end =
        range.map { range in firstPiece { $0.lowerBound >= range.upperBound } } ?? pieceCount
      guard first < end, let base = digests.baseAddress else { return }
      BufferDigest.digest(
        values.base, pieces: UnsafeBufferPointer(rebasing: pieces[first..<end]), into: base + first,
        on: team)
    }

    /// Whether a copy of the buffer, whose floats lie where their parameters do, has the digests that are kept of the
    /// pieces that end in `range`.
    ///
    /// Any thread may ask that between two updates.
    package func isKept(in copy: UnsafePointer<Float>, endingIn range: Range<Int>) -> Bool {
      var piece = firstPiece { $0.upperBound > range.lowerBound }
      while piece < pieceCount, places[piece].upperBound <= range.upperBound {
        let place = places[piece]
        guard BufferDigest.digest(copy + place.lowerBound, count: place.count) == kept[piece] else {
          return false
        }
        piece += 1
      }
      return true
    }

    /// The first piece whose place fulfils a condition that all later ones fulfil, too.
    private func firstPiece(_ holds: (Range<Int>) -> Bool) -> Int {
      var (low, high) = (0, pieceCount)
      while low < high {
        let middle = (low + high) / 2
        if holds(places[middle]) { high = middle } else { low = middle + 1 }
      }
      return low
    }

    /// The digests that were taken last by ``StateGuard/takeDigests()``.
    package var takenDigests: [UInt64] { Array(taken) }

    /// Whether the digests that were taken are those that were kept.
    fileprivate var isIntact: Bool { kept.elementsEqual(taken) }

    /// The pieces whose digests are not those that were kept.
    package var damagedPieces: [Int] { kept.indices.filter { kept[$0] != taken[$0] } }
  }

  /// The weights, then each part of the optimiser's state.
  package let parts: [Part]
  /// The names of the parameters.
  package let parameterNames: [String]
  /// Whether digests are kept.
  package private(set) var isActive = false
  private let team: ThreadTeam

  /// A guard of `parameters` and of the state of an optimiser, which is not active yet.
  package init(
    _ parameters: FloatBuffer, _ optimizer: Optimizer, layout: ParameterLayout, isSharded: Bool,
    team: ThreadTeam
  ) {
    let listed = layout.parameters
    parameterNames = listed.map(\.name)
    self.team = team
    let weights = Part(
      name: "weights", values: parameters, chunks: [0..<layout.count], layout: listed,
      isReplica: true)
    parts =
      [weights]
      + optimizer.state.map { name, values in
        Part(
          name: "optimiser's \(name)", values: values, chunks: optimizer.chunks, layout: listed,
          isReplica: !isSharded)
      }
  }

  /// The memory of all parts.
  var buffers: [UnsafeMutableBufferPointer<Float>] { parts.map(\.values.floats) }

  /// Keeps digests from now on, where nothing but updates changes parameters and state any more.
  package func begin() {
    isActive = true
    renew()
  }

  /// Takes what parameters and state are now for right.
  package func renew() {
    guard isActive else { return }
    for part in parts { part.digest(into: part.kept, on: team) }
  }

  /// Keeps new digests of what an update has changed: the parameters of `range`, and their state here.
  func renew(_ range: Range<Int>) {
    guard isActive else { return }
    for part in parts { part.digest(range, into: part.kept, on: team) }
  }

  /// Keeps new digests of all weights, of which other ranks have updated some.
  func renewWeights() {
    guard isActive else { return }
    parts[0].digest(into: parts[0].kept, on: team)
  }

  /// Takes the digests of all parts as they are in memory now; those that are kept stay.
  package func takeDigests() {
    for part in parts { part.digest(into: part.taken, on: team) }
  }

  /// Whether a part has changed since its digests were kept; reads all of them.
  func isDamaged() -> Bool {
    guard isActive else { return false }
    takeDigests()
    return !parts.allSatisfy(\.isIntact)
  }

  /// One digest a part: of those that are kept, if so, else of those that were taken last.
  package func joinedDigests(kept: Bool) -> [UInt64] {
    parts.map { BufferDigest.joined(UnsafeBufferPointer(kept ? $0.kept : $0.taken)) }
  }

  /// The parts of which bits have changed, by their numbers, as of the digests that were taken last.
  package var damagedParts: [Int] {
    isActive ? parts.indices.filter { !parts[$0].isIntact } : []
  }
}
