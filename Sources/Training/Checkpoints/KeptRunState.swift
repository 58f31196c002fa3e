// The newest step state of a run that is resumed, wherever its hosts have kept it.

import Checkpoints
package import Communication
import Files
import Foundation
import Kernels
import Tensors

/// A state that is whole, on one host or on several together.
package struct KeptRunState {
  /// Whose it is, and where.
  let mark: StepStateMark
  let metadata: StepStateMetadata
  /// The entries of a checkpoint of it.
  let entries: [String: String]
  /// The step after which checkpoints on the disk are of a course that was left; nil where there are none.
  var abandonedAfter: Int? { entries[Self.abandonedKey].flatMap { Int($0) } }

  private let communicator: any Communicator
  /// Who gives which ranges of each part.
  private let pieces: [[Piece]]
  /// What this rank, a leader, has found.
  private let found: [(states: KeptStates, generation: KeptStates.Generation)]

  /// Some floats of a part, and where they are.
  private struct Piece {
    /// The leader of a host.
    let leader: Int
    /// Which of the states that it has found.
    let index: Int
    let range: Range<Int>
  }

  /// The step state's steps.
  var step: Int { metadata.step }

  /// The line of the log that tells of the state's step; nil where there was none to tell of.
  var logLine: String? { entries[Self.logLineKey] }

  // What entries of the metadata are called that checkpoints do not have.
  private static let abandonedKey = "abandoned_after"
  private static let logLineKey = "log_line"

  /// The entries that states have in common until a score changes them: those of a checkpoint, and the step that was
  /// gone back to.
  static func entries(
    of checkpoint: Checkpoint, abandonedAfter: Int?
  ) throws -> [String: String] {
    let text = try StepStateMetadata.text(
      of: checkpoint, with: abandonedAfter.map { [abandonedKey: "\($0)"] } ?? [:])
    return try JSONDecoder().decode([String: String].self, from: Data(text))
  }

  /// The metadata of the state after `step` steps, of which a line of the log tells.
  static func metadata(
    step: Int, epoch: Int, _ entries: [String: String], logLine: String?
  ) throws -> StepStateMetadata {
    var entries = entries
    entries[logLineKey] = logLine
    return StepStateMetadata(
      step: step, epoch: epoch, text: Array(try JSONEncoder().encode(entries)))
  }

  /// What a leader has of one state.
  private struct Offer: Codable {
    let step: Int
    let elementCount: Int
    let partCount: Int
    /// The ranges of the optimiser's state, nil for all of it.
    let chunks: [Range<Int>]?
  }

  /// Whether a run can go on from a step state, for the mark in its folder; collective.
  package static func exists(in folder: String, _ communicator: any Communicator) throws -> Bool {
    let mark = try StepStateMark.shared(
      communicator.rank == 0
        ? StepStateMark.read(in: folder, host: communicator.hostName) : nil, communicator)
    return try mark.map { try find($0, communicator) != nil } ?? false
  }

  /// The newest state of a start, where the ranks' hosts have a whole one; collective.
  ///
  /// - Parameter fits: whether a layout is that of the run.
  static func find(
    _ mark: StepStateMark, _ communicator: any Communicator,
    where fits: (StepStateLayout) -> Bool = { _ in true }
  ) throws -> KeptRunState? {
    var found: [(states: KeptStates, generation: KeptStates.Generation)] = []
    if communicator.localRank == 0 {
      for path in StepStateFolder(path: mark.states, host: communicator.hostName).files(of: mark) {
        // What cannot be read is not there.
        guard let states = try? KeptStates(path), states.layout.mark == mark, fits(states.layout),
          let generations = try? states.generations()
        else { continue }
        found += generations.filter { (try? states.isIntact($0)) == true }.map { (states, $0) }
      }
    }
    let offers = found.map { states, generation in
      Offer(
        step: generation.step, elementCount: states.layout.elementCount,
        partCount: states.layout.parts.count,
        chunks: states.layout.isWhole ? nil : states.layout.chunks.map { $0.flatMap { $0 } })
    }
    let all = try communicator.allgatherv(Array(try JSONEncoder().encode(offers))).map {
      try JSONDecoder().decode([Offer].self, from: Data($0))
    }
    guard let choice = newest(of: all) else { return nil }
    let teller = choice.pieces[0].leader
    let text = try communicator.allgatherv(
      communicator.rank == teller
        ? Array(try JSONEncoder().encode(found[choice.pieces[0].index].generation.metadata)) : [])
    let metadata = try JSONDecoder().decode(StepStateMetadata.self, from: Data(text[teller]))
    guard let entries = metadata.entries else { return nil }
    // Every host has all parameters.
    let parameters = Piece(
      leader: teller, index: choice.pieces[0].index, range: 0..<choice.offer.elementCount)
    return KeptRunState(
      mark: mark, metadata: metadata, entries: entries, communicator: communicator,
      pieces: [[parameters]]
        + [[Piece]](repeating: choice.pieces, count: choice.offer.partCount - 1), found: found)
  }

  /// Of what leaders have found, by rank, the newest state that they have between them, and the pieces of each part of
  /// the optimiser's state; nil where none is whole.
  private static func newest(of offers: [[Offer]]) -> (offer: Offer, pieces: [Piece])? {
    for step in Set(offers.joined().map(\.step)).sorted().reversed() {
      var pieces: [Piece] = []
      for (leader, own) in offers.enumerated() {
        for (index, offer) in own.enumerated() where offer.step == step {
          let whole = 0..<offer.elementCount
          guard let chunks = offer.chunks else {
            return (offer, [Piece(leader: leader, index: index, range: whole)])
          }
          // Several leaders that see one folder have the same.
          for range in chunks where !pieces.contains(where: { $0.range == range }) {
            pieces.append(Piece(leader: leader, index: index, range: range))
          }
          if pieces.reduce(0, { $0 + $1.range.count }) == whole.count { return (offer, pieces) }
        }
      }
    }
    return nil
  }

  // MARK: Loading

  /// Lets `body` see the state after `step` steps, an earlier one than the newest, where this rank's host has kept
  /// it as well: its metadata, when the buffers hold its floats.
  func withEarlier(
    _ step: Int, in buffers: [FloatBuffer], _ body: (Checkpoint) throws -> Void
  ) throws {
    guard let states = found.first(where: { $0.generation.step == self.step })?.states,
      states.layout.isWhole,
      let earlier = try states.generations().first(where: { $0.step == step }),
      try states.isIntact(earlier), let entries = earlier.metadata.entries
    else { return }
    for (part, buffer) in buffers.enumerated() {
      try states.read(earlier, part: part, 0..<buffer.count, into: buffer.base)
    }
    try body(Checkpoint(metadata: entries, path: states.path))
  }

  /// The floats that go in one message.
  private static let blockCount = 1 << 20

  /// Overwrites the buffers of rank 0, the parameters and then each part of the optimiser's state; collective.
  ///
  /// - Parameter buffers: on rank 0 as many as there are parts; none elsewhere.
  /// - Throws: on all ranks where a file has gone meanwhile on one.
  func load(into buffers: [FloatBuffer]) throws {
    var failure: (any Error)?
    let messages = communicator.requests(tag: MessageTag.optimizerState)
    let block = try FloatBuffer(count: Self.blockCount, for: "a message of the run's state")
    for part in pieces.indices {
      for piece in pieces[part] {
        let (leader, range) = (piece.leader, piece.range)
        for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.blockCount) {
          let run = start..<min(start + Self.blockCount, range.upperBound)
          let floats = UnsafeMutableBufferPointer(start: block.base, count: run.count)
          if communicator.rank == leader {
            let (states, generation) = found[piece.index]
            // Whoever waits for it gets it, be it of no use.
            do {
              try states.read(generation, part: part, run, into: block.base)
            } catch {
              failure = error
            }
          }
          guard communicator.rank == 0 || communicator.rank == leader else { continue }
          if leader != 0 {
            if communicator.rank == 0 {
              try messages.receive(UnsafeMutableRawBufferPointer(floats), from: leader)
            } else {
              try messages.send(UnsafeRawBufferPointer(floats), to: 0)
            }
            try messages.wait()
          }
          if communicator.rank == 0 {
            (buffers[part].base + run.lowerBound).update(from: block.base, count: run.count)
          }
        }
      }
    }
    try communicator.together { if let failure { throw failure } }
  }
}
