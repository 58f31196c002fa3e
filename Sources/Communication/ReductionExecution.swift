// The run of a reduction schedule: its rounds of messages and additions, one after the other.

/// One reduction at a time on its way through the rounds of its schedule.
///
/// Between the calls nothing waits, so that several of them can be under way side by side, and the
/// caller decides what to do meanwhile. Memory is allocated when a schedule needs more than any
/// before it.
final class ReductionExecution {
  private let messages: any Messages
  private let compression: Compression
  /// Whether the rounds under way move values of 16 bits.
  private var packs = false
  /// What is sent and received of them in a round, the receives first.
  private var halves = UnsafeMutableBufferPointer<UInt16>(start: nil, count: 0)
  private var scratch = UnsafeMutableBufferPointer<Float>(start: nil, count: 0)
  private var own: [UnsafeMutablePointer<Float>] = []
  private var rounds: [ReductionSchedule.Round] = []
  private var round = 0

  /// Bytes sent since this was made.
  private(set) var sentByteCount = 0

  /// An execution whose messages have `tag` on all ranks.
  init(communicator: any Communicator, tag: Int, compression: Compression = .none) {
    messages = communicator.messages(tag: tag)
    self.compression = compression
  }

  deinit {
    scratch.deallocate()
    halves.deallocate()
  }

  /// Begins `rounds` of `schedule`.
  ///
  /// `own` are the buffer's first elements in each of this rank's partial sums, at least one. What
  /// is sent is compressed unless it `isExact`.
  ///
  /// - Precondition: the rounds begun before are finished.
  func begin(
    _ rounds: [ReductionSchedule.Round], of schedule: ReductionSchedule,
    own: [UnsafeMutablePointer<Float>], isExact: Bool = false
  ) throws(MPIError) {
    precondition(round == self.rounds.count, "begin before round \(round) of \(self.rounds.count)")
    if schedule.scratchCount > scratch.count {
      scratch.deallocate()
      scratch = .allocate(capacity: schedule.scratchCount)
    }
    self.own = own
    self.rounds = rounds
    packs = compression == .bf16 && !isExact
    round = 0
    if !rounds.isEmpty { try post() }
  }

  /// Goes as far as is possible without waiting; returns whether all rounds are finished.
  func advance() throws(MPIError) -> Bool {
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

  private func postPacked(_ round: ReductionSchedule.Round) throws(MPIError) {
    let count = (round.receives + round.sends).reduce(0) { $0 + $1.block.range.count }
    if count > halves.count {
      halves.deallocate()
      halves = .allocate(capacity: count)
    }
    var place = 0
    func next(_ block: ReductionSchedule.Block) -> UnsafeMutableBufferPointer<UInt16> {
      defer { place += block.range.count }
      return UnsafeMutableBufferPointer(rebasing: halves[place..<place + block.range.count])
    }
    for message in round.receives {
      try messages.receive(
        UnsafeMutableRawBufferPointer(next(message.block)), from: message.peer)
    }
    // What goes to several ranks is packed once.
    var packed: (block: ReductionSchedule.Block, halves: UnsafeMutableBufferPointer<UInt16>)?
    for message in round.sends {
      var part = next(message.block)
      if let packed, packed.block == message.block {
        part = packed.halves
      } else if let values = base(message.block), let target = part.baseAddress {
        BFloat16.pack(values, into: target, count: part.count)
        packed = (message.block, part)
      }
      try messages.send(UnsafeRawBufferPointer(part), to: message.peer)
      sentByteCount += 2 * part.count
    }
  }

  private func unpack(_ receives: [ReductionSchedule.Message]) {
    var place = 0
    for message in receives {
      let count = message.block.range.count
      if let values = base(message.block), let source = halves.baseAddress {
        BFloat16.unpack(source + place, into: values, count: count)
      }
      place += count
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

  private func add(_ addition: ReductionSchedule.Addition) {
    guard let target = base(addition.target), let left = base(addition.left) else { return }
    let count = addition.target.range.count
    guard let right = addition.right.flatMap({ base($0) }) else {
      return target.update(from: left, count: count)
    }
    GradientSum.add(left, right, into: target, count: count, compression: compression)
  }
}
