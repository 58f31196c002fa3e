// The run of a reduction schedule: its rounds of messages and additions, one after the other.

/// One reduction at a time on its way through the rounds of its schedule.
///
/// Between the calls nothing waits, so that several of them can be under way side by side, and the
/// caller decides what to do meanwhile. Memory is allocated when a schedule needs more than any
/// before it.
final class ReductionExecution {
  private let messages: any Messages
  private var scratch = UnsafeMutableBufferPointer<Float>(start: nil, count: 0)
  private var own: [UnsafeMutablePointer<Float>] = []
  private var rounds: [ReductionSchedule.Round] = []
  private var round = 0

  /// Bytes sent since this was made.
  private(set) var sentByteCount = 0

  /// An execution whose messages have `tag` on all ranks.
  init(communicator: any Communicator, tag: Int) {
    messages = communicator.messages(tag: tag)
  }

  deinit {
    scratch.deallocate()
  }

  /// Begins `rounds` of `schedule`.
  ///
  /// `own` are the buffer's first elements in each of this rank's partial sums, at least one.
  ///
  /// - Precondition: the rounds begun before are finished.
  func begin(
    _ rounds: [ReductionSchedule.Round], of schedule: ReductionSchedule,
    own: [UnsafeMutablePointer<Float>]
  ) throws(MPIError) {
    precondition(round == self.rounds.count, "begin before round \(round) of \(self.rounds.count)")
    if schedule.scratchCount > scratch.count {
      scratch.deallocate()
      scratch = .allocate(capacity: schedule.scratchCount)
    }
    self.own = own
    self.rounds = rounds
    round = 0
    if !rounds.isEmpty { try post() }
  }

  /// Goes as far as is possible without waiting; returns whether all rounds are finished.
  func advance() throws(MPIError) -> Bool {
    while round < rounds.count {
      guard try messages.test() else { return false }
      for addition in rounds[round].additions { add(addition) }
      round += 1
      if round < rounds.count { try post() }
    }
    return true
  }

  private func post() throws(MPIError) {
    for message in rounds[round].receives {
      try messages.receive(UnsafeMutableRawBufferPointer(floats(message.block)), from: message.peer)
    }
    for message in rounds[round].sends {
      let bytes = UnsafeRawBufferPointer(floats(message.block))
      try messages.send(bytes, to: message.peer)
      sentByteCount += bytes.count
    }
  }

  private func floats(_ block: ReductionSchedule.Block) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: base(block), count: block.range.count)
  }

  private func base(_ block: ReductionSchedule.Block) -> UnsafeMutablePointer<Float>? {
    switch block.memory {
    case .own(let sum): own[sum] + block.range.lowerBound
    case .scratch: scratch.baseAddress.map { $0 + block.range.lowerBound }
    }
  }

  /// target := left + right element by element, which vectors do in the same bits as single floats.
  private func add(_ addition: ReductionSchedule.Addition) {
    guard let target = base(addition.target), let left = base(addition.left) else { return }
    let count = addition.target.range.count
    guard let right = addition.right.flatMap({ base($0) }) else {
      return target.update(from: left, count: count)
    }
    var index = 0
    while index + 16 <= count {
      let sum =
        UnsafeRawPointer(left + index).loadUnaligned(as: SIMD16<Float>.self)
        + UnsafeRawPointer(right + index).loadUnaligned(as: SIMD16<Float>.self)
      UnsafeMutableRawPointer(target + index).storeBytes(of: sum, as: SIMD16<Float>.self)
      index += 16
    }
    while index < count {
      target[index] = left[index] + right[index]
      index += 1
    }
  }
}
