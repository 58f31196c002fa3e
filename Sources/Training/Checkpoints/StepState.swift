// The states after the newest steps of a run, kept where they outlive its processes.

import Checkpoints
import Communication
import Configuration
import Files
import Foundation
import Kernels
import Liveness
import Network
import Tensors
import Threading

/// Keeps the state of every step, or of every few, so that a run which is killed loses none of them.
///
/// A thread of its own copies parameters and optimiser state while the next step computes, which only reads them;
/// ``wait()`` has to return before they change. Each rank of a host copies its share, into slots that alternate
/// (``StepStateFile``), so at any time one whole generation is there. A checkpoint is written from a slot too: it is
/// pinned, and left out, until the next checkpoint takes another one.
///
/// All ranks act alike, so they choose the same slots without a word.
final class StepState {
  private let file: StepStateFile
  /// The parameters, and the optimiser's state as far as this rank keeps it.
  private let sources: [FloatBuffer]
  /// What knows whether their bits are those that the last update has left.
  private let stateGuard: StateGuard
  private let communicator: any Communicator
  private let interval: Int
  private let thread: BackgroundThread
  private var newest: (metadata: StepStateMetadata, slot: Int)?
  private var pinned: Int?
  private var reserved: Set<Int> = []
  /// Whether checkpoints can be written from slots: not where a host has a part of the state only, nor without
  /// room for a third slot, which is looked for at the first checkpoint.
  private var canPin: Bool?

  private init(
    _ file: StepStateFile, _ sources: [FloatBuffer], stateGuard: StateGuard, interval: Int,
    isWhole: Bool, thread: BackgroundThread, _ communicator: any Communicator
  ) {
    self.stateGuard = stateGuard
    canPin = isWhole ? nil : false
    self.file = file
    self.sources = sources
    self.interval = interval
    self.thread = thread
    self.communicator = communicator
  }

  // MARK: Keeping

  /// Whether the state after this step is to be kept.
  func isDue(after step: Int) -> Bool { step.isMultiple(of: interval) }

  /// Whether the newest state that is kept, or being kept, is that after this step.
  func holds(_ step: Int) -> Bool { newest?.metadata.step == step }

  /// Begins to keep the state as it is now, and does `then` when every rank of this host has.
  ///
  /// - Throws: what `then` of an earlier call has thrown.
  func keep(_ metadata: StepStateMetadata, then: (@Sendable () throws -> Void)? = nil) throws {
    let slot = (0..<StepStateLayout.slotCount).first { $0 != pinned && $0 != newest?.slot }
    guard let slot, reserved.contains(slot) else { preconditionFailure("a free slot") }
    newest = (metadata, slot)
    try begin(metadata, slot: slot, then: then)
  }

  /// Keeps the state after this step anew, whose bits were mended since.
  ///
  /// Not where the newest state is of an earlier step, whose bits later updates have proved; nor where a checkpoint
  /// is written from it, since that was verified first.
  func keepAgain(_ step: Int) throws {
    guard let newest, newest.metadata.step == step, newest.slot != pinned else { return }
    try thread.wait()
    // At once, so that no other rank takes what was there for what comes.
    file.invalidate(slot: newest.slot, localRank: communicator.localRank)
    try begin(newest.metadata, slot: newest.slot, then: nil)
  }

  private func begin(
    _ metadata: StepStateMetadata, slot: Int, then: (@Sendable () throws -> Void)?
  ) throws {
    let (file, sources, rank) = (file, sources, communicator.localRank)
    // Digests change where the state does, which waits for this thread.
    nonisolated(unsafe) let guarded = stateGuard.isActive ? stateGuard.parts : []
    try thread.begin {
      // First, since records say that all is there.
      if rank == 0 { try Self.write(metadata, to: file, slot: slot) }
      file.write(
        step: metadata.step, slot: slot, localRank: rank,
        from: sources.map { UnsafePointer($0.base) }
      ) { part, floats, range in
        guarded.isEmpty || guarded[part].isKept(in: floats, endingIn: range)
      }
      guard let then else { return }
      file.waitForAllPieces(ofStep: metadata.step, slot: slot)
      try then()
    }
  }

  /// Says anew what is said beside the newest state, such as scores that were found since.
  func renew(_ metadata: StepStateMetadata) throws {
    guard let newest, newest.metadata.step == metadata.step else { return }
    self.newest = (metadata, newest.slot)
    guard communicator.localRank == 0 else { return }
    try thread.wait()
    try Self.write(metadata, to: file, slot: newest.slot)
  }

  private static func write(
    _ metadata: StepStateMetadata, to file: StepStateFile, slot: Int
  ) throws(FileError) {
    guard file.write(metadata, slot: slot) else {
      throw FileError(
        path: file.path, expected: "metadata of at most \(file.layout.metadataCapacity) bytes",
        found: "\(metadata.text.count)", hint: "go on with --resume --step-state off")
    }
  }

  /// Returns when what was begun is kept; before that the state must not change.
  func wait() throws { try thread.wait() }

  // MARK: Checkpoints

  /// Pins the newest state for a checkpoint to be written from it; collective.
  ///
  /// The checkpoint before must have been written.
  ///
  /// - Returns: nil where there is no room for a third state beside it, or this host has not all of it.
  func pin() throws -> Pinned? {
    guard let newest, canPin != false else { return nil }
    if canPin == nil {
      canPin = try reserve([0, 1, 2]) == nil
    }
    guard canPin == true else { return nil }
    pinned = newest.slot
    return Pinned(file: file, step: newest.metadata.step, slot: newest.slot, thread: thread)
  }

  /// A state that stays as it is.
  struct Pinned: Sendable {
    fileprivate let file: StepStateFile
    fileprivate let step: Int
    fileprivate let slot: Int
    fileprivate let thread: BackgroundThread

    /// The parameters and the parts of the optimiser's state, when all ranks of this host have put theirs there.
    func buffers() throws -> (parameters: FloatBuffer, state: [(name: String, values: FloatBuffer)])
    {
      try thread.wait()
      file.waitForAllPieces(ofStep: step, slot: slot)
      let names = file.layout.parts
      return (
        file.buffer(part: 0, slot: slot),
        names.indices.dropFirst().map { (names[$0], file.buffer(part: $0, slot: slot)) }
      )
    }
  }

  // MARK: The end

  /// Takes the states away: what they are for is over, or they are not to be trusted.
  ///
  /// Not collective, and each rank may do it, since only the name goes.
  func remove() { file.removeName() }
}

extension StepStateFile {
  /// Returns when every rank of this host has put its pieces of a state into a slot.
  fileprivate func waitForAllPieces(ofStep step: Int, slot: Int) {
    if hasAllPieces(ofStep: step, slot: slot) { return }
    Progress.beginWaiting()
    defer { Progress.endWaiting() }
    while !hasAllPieces(ofStep: step, slot: slot) { usleep(50) }
  }
}

// MARK: - The beginning

extension StepState {
  /// Makes the file of this host, or says why there is none; collective.
  ///
  /// - Parameters:
  ///   - mark: what tells this start from others.
  ///   - metadataByteCount: the bytes of a state's metadata by now.
  ///   - warn: tells the user, on rank 0.
  /// - Returns: nil on every rank where one of them cannot keep states.
  static func open(
    _ plan: RunPlan, _ step: TrainingStep, _ state: ShardedState, mark: StepStateMark,
    metadataByteCount: Int, warn: (String) -> Void, _ communicator: any Communicator
  ) throws -> StepState? {
    // Of the ranks of this host, the chunks in the order of their places.
    let leaders = try communicator.allgatherv([communicator.localLeader]).map { $0[0] }
    let chunks = state.isSharded ? try state.allChunks() : []
    let layout = StepStateLayout(
      mark: mark, elementCount: step.network.layout.count,
      stateNames: step.optimizer.state.map(\.name),
      chunks: state.isSharded
        ? chunks.indices.filter { leaders[$0] == communicator.localLeader }.map { chunks[$0] }
        : nil,
      localSize: communicator.localSize,
      metadataCapacity: metadataByteCount + (1 << 16))

    var obstacle: String?
    var file: StepStateFile?
    if communicator.localRank == 0 {
      do {
        obstacle = memoryObstacle(layout, plan, communicator)
        if obstacle == nil { file = try StepStateFile.make(layout, in: mark.states) }
      } catch {
        obstacle = "\(error)"
      }
    }
    let paths = try communicator.allgatherv(Array((file?.path ?? "").utf8))
    let path = String(decoding: paths[communicator.localLeader], as: UTF8.self)
    if file == nil, !path.isEmpty {
      do { file = try StepStateFile(path, layout) } catch { obstacle = "\(error)" }
    }
    let thread = BackgroundThread()
    if thread == nil { obstacle = "the system refuses a thread; raise `ulimit -u`" }
    let sources = [step.parameters] + step.optimizer.state.map(\.values)
    if let first = try agreed(obstacle, communicator) {
      file?.removeName()
      warn(Self.warning(first))
      return nil
    }
    guard let file, let thread else { preconditionFailure("what no rank has missed") }
    // The same on all ranks, since it decides what they do together.
    let isWhole = try communicator.allReduceSum([layout.isWhole ? Int64(0) : 1]) == [0]
    let kept = StepState(
      file, sources, stateGuard: step.stateGuard, interval: plan.configuration.stepStateEvery,
      isWhole: isWhole, thread: thread, communicator)
    return try kept.isReserved([0], warn: warn) ? kept : nil
  }

  /// Takes the memory of these slots, or gives up; collective.
  func isReserved(_ slots: [Int], warn: (String) -> Void) throws -> Bool {
    guard let obstacle = try reserve(slots) else { return true }
    remove()
    warn(Self.warning(obstacle))
    return false
  }

  private static func warning(_ obstacle: String) -> String {
    "no state is kept after each step, so a kill loses those since the newest checkpoint: \(obstacle)"
  }

  /// Takes the memory of these slots; collective.
  ///
  /// - Returns: what is in the way on any rank, the same on all.
  private func reserve(_ slots: [Int]) throws -> String? {
    var obstacle: String?
    for slot in slots where !reserved.contains(slot) {
      do throws(FileError) {
        try file.reserve(slot: slot, localRank: communicator.localRank)
      } catch {
        obstacle = "\(error)"
      }
    }
    if let first = try Self.agreed(obstacle, communicator) { return first }
    reserved.formUnion(slots)
    return nil
  }

  private static func agreed(_ obstacle: String?, _ communicator: any Communicator) throws
    -> String?
  {
    let all = try communicator.allgatherv(Array((obstacle ?? "").utf8))
    return all.first { !$0.isEmpty }.map { String(decoding: $0, as: UTF8.self) }
  }

  /// Why this host has not the memory for the states, or nil.
  private static func memoryObstacle(
    _ layout: StepStateLayout, _ plan: RunPlan, _ communicator: any Communicator
  ) -> String? {
    let needed = StepStateLayout.slotCount * layout.slotByteCount
    let demand = MemoryDemand(
      plan.configuration, network: plan.network, data: plan.data, threads: plan.team.count,
      rank: communicator.rank, ranks: communicator.size, recomputation: plan.recomputation
    ).byteCount
    let share = needed / communicator.localSize
    guard demand <= plan.memory.byteCount, share <= plan.memory.byteCount - demand else {
      return "it takes \(needed >> 20) MiB more than there is, by \(plan.memory.bound)"
    }
    // States of an earlier start go when the first of this one is there.
    guard layout.slotByteCount <= AvailableMemory.byteCount else {
      return "it takes \(layout.slotByteCount >> 20) MiB, and the host has not as much left"
    }
    return nil
  }
}
