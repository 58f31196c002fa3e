// The run of a reduction schedule: its rounds of messages and additions, one after the other.

import Glibc
import Tensors

/// One reduction at a time on its way through the rounds of its schedule.
///
/// Between the calls nothing waits, so that several of them can be in flight side by side, and the
/// caller decides what to do meanwhile. Memory is allocated when a schedule needs more than any
/// before it.
package final class ReductionExecution {
  private let messages: any RequestGroup
  private let compression: Compression
  /// Whether the rounds under way move values of 16 bits.
  private var packs = false
  private var workspace = UnsafeMutableBufferPointer<Float>(start: nil, count: 0)
  private var own: [UnsafeMutablePointer<Float>] = []
  private var rounds: [ReductionSchedule.Round] = []
  private var round = 0

  /// Bytes sent since this was made.
  package private(set) var sentByteCount = 0

  /// An execution whose messages have `tag` on all ranks.
  package init(communicator: any Communicator, tag: Int, compression: Compression = .none) {
    messages = communicator.requests(tag: tag)
    self.compression = compression
  }

  deinit {
    // After a failure messages may be in flight that nobody waits for any more, and the library may
    // write to their memory until the process ends. So that memory is not given back.
    if round == rounds.count { workspace.deallocate() }
  }

  /// Begins `rounds` of `schedule`.
  ///
  /// `own` are the buffer's first elements in each of this rank's partial sums, at least one. What
  /// is sent is compressed unless it `isExact`.
  ///
  /// - Precondition: the rounds begun before are finished.
  package func begin(
    _ rounds: [ReductionSchedule.Round], of schedule: ReductionSchedule,
    own: [UnsafeMutablePointer<Float>], isExact: Bool = false
  ) throws(MPIError) {
    precondition(round == self.rounds.count, "begin before round \(round) of \(self.rounds.count)")
    self.own = own
    self.rounds = rounds
    packs = compression == .bf16 && !isExact
    round = 0
    let packedCount = packs ? rounds.map(\.packedCount).max() ?? 0 : 0
    let workspaceCount = max(schedule.workspaceCount, (packedCount + 1) / 2)
    if workspaceCount > workspace.count {
      workspace.deallocate()
      workspace = .init(start: nil, count: 0)
      // Swift ends the process where there is no memory; here it is an error.
      do throws(AllocationError) {
        try AllocationError.check(4 * workspaceCount, for: "messages between ranks")
      } catch {
        throw MPIError(code: ENOMEM, function: "reduction", text: "\(error)")
      }
      workspace = .allocate(capacity: workspaceCount)
    }
    if !rounds.isEmpty { try post() }
  }

  /// Goes as far as is possible without waiting; returns whether all rounds are finished.
  package func advance() throws(MPIError) -> Bool {
    while round < rounds.count {
      guard try messages.test() else { return false }
      if packs { unpack(rounds[round].receives) }
      for addition in rounds[round].additions { add(addition) }
      round += 1
      if round < rounds.count { try post() }
    }
    return true
  }

  private func post() throws(MPIError) {
    if packs { return try postPacked(rounds[round]) }
    for message in rounds[round].receives {
      try messages.receive(UnsafeMutableRawBufferPointer(floats(message.block)), from: message.peer)
    }
    for message in rounds[round].sends {
      let bytes = UnsafeRawBufferPointer(floats(message.block))
      try messages.send(bytes, to: message.peer)
      sentByteCount += bytes.count
    }
  }

  /// Posts a round of 16-bit values, for which no more memory is needed: they arrive in the second
  /// half of the memory of their values; what is given away is packed in the first half of its own,
  /// and what is kept in the workspace, where sums no longer arrive.
  private func postPacked(_ round: ReductionSchedule.Round) throws(MPIError) {
    for message in round.receives {
      let count = message.block.range.count
      try messages.receive(
        UnsafeMutableRawBufferPointer(start: arrival(of: message.block), count: 2 * count),
        from: message.peer)
    }
    for (index, message) in round.sends.enumerated() {
      guard let values = base(message.block),
        let packed = round.keepsSent ? workspace.baseAddress : values
      else { preconditionFailure("no memory to pack \(message) in") }
      let count = message.block.range.count
      // What goes to several ranks is packed once.
      if !round.keepsSent || index == 0 { BFloat16.pack(values, into: packed, count: count) }
      try messages.send(UnsafeRawBufferPointer(start: packed, count: 2 * count), to: message.peer)
      sentByteCount += 2 * count
    }
  }

  private func unpack(_ receives: [ReductionSchedule.Message]) {
    for message in receives {
      guard let values = base(message.block), let halves = arrival(of: message.block) else {
        preconditionFailure("no memory that \(message) has arrived in")
      }
      BFloat16.unpack(halves, into: values, count: message.block.range.count)
    }
  }

  private func arrival(of block: ReductionSchedule.Block) -> UnsafeMutableRawPointer? {
    base(block).map { UnsafeMutableRawPointer($0) + 2 * block.range.count }
  }

  private func floats(_ block: ReductionSchedule.Block) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: base(block), count: block.range.count)
  }

  private func base(_ block: ReductionSchedule.Block) -> UnsafeMutablePointer<Float>? {
    switch block.memory {
    case .own(let sum): own[sum] + block.range.lowerBound
    case .workspace: workspace.baseAddress.map { $0 + block.range.lowerBound }
    }
  }

  private func add(_ addition: ReductionSchedule.Addition) {
    guard let target = base(addition.target), let left = base(addition.left) else {
      preconditionFailure("no memory for \(addition)")
    }
    let count = addition.target.range.count
    guard let block = addition.right else { return target.update(from: left, count: count) }
    guard let right = base(block) else { preconditionFailure("no memory for \(addition)") }
    GradientSum.add(left, right, into: target, count: count, compression: compression)
  }
}

extension ReductionSchedule.Round {
  /// Values that are packed outside of their own memory.
  fileprivate var packedCount: Int {
    keepsSent ? sends.first?.block.range.count ?? 0 : 0
  }
}
