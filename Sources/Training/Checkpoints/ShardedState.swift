// The optimiser's state between the chunks of the ranks and the whole in a checkpoint.

import Communication
import Kernels
import Tensors

/// Moves the optimiser's state between ranks that keep chunks of it and rank 0, which reads and
/// writes files.
struct ShardedState {
  private let optimizer: Optimizer
  private let elementCount: Int
  let isSharded: Bool
  private let communicator: any Communicator

  /// The state of `optimizer` on this rank, of parameters that fill `elementCount` floats.
  ///
  /// `isSharded` is the same on all ranks; a single rank may happen to keep all of it even then.
  init(
    _ optimizer: Optimizer, elementCount: Int, isSharded: Bool, communicator: any Communicator
  ) {
    self.optimizer = optimizer
    self.elementCount = elementCount
    self.isSharded = isSharded
    self.communicator = communicator
  }

  /// What the memory is for.
  private static let purpose = "the whole optimiser state"

  /// The floats that go in one message.
  private static let blockCount = 1 << 20

  /// Buffers on rank 0 for the whole of every part, to read a file into; none on the others.
  func buffers() throws(AllocationError) -> [(name: String, values: FloatBuffer)] {
    guard communicator.rank == 0 else { return [] }
    guard isSharded else { return optimizer.state }
    return try optimizer.state.map { (part) throws(AllocationError) in
      (part.name, try FloatBuffer(count: elementCount, for: Self.purpose))
    }
  }

  /// The whole of every part of the state, in the order of the parameters, on rank 0; nothing on
  /// the others.
  ///
  /// Collective. Where every rank keeps all of it, nothing is moved.
  func gathered() throws -> [(name: String, values: FloatBuffer)] {
    guard isSharded else { return optimizer.state }
    let chunks = try allChunks()
    let messages = communicator.requests(tag: MessageTag.optimizerState)
    return try optimizer.state.compactMap { name, own in
      guard communicator.rank == 0 else {
        for block in blocks(own.count) {
          try messages.send(UnsafeRawBufferPointer(floats(own, block)), to: 0)
          try messages.wait()
        }
        return nil
      }
      let whole = try FloatBuffer(count: elementCount, for: Self.purpose)
      for rank in 0..<communicator.size {
        let count = chunks[rank].reduce(0) { $0 + $1.count }
        let part = rank == 0 ? own : try FloatBuffer(count: count, for: Self.purpose)
        if rank > 0 {
          for block in blocks(count) {
            try messages.receive(UnsafeMutableRawBufferPointer(floats(part, block)), from: rank)
            try messages.wait()
          }
        }
        var place = 0
        for chunk in chunks[rank] {
          (whole.base + chunk.lowerBound).update(from: part.base + place, count: chunk.count)
          place += chunk.count
        }
      }
      return (name, whole)
    }
  }

  /// Gives every rank its chunks of what rank 0 has in `whole`, by part; other ranks give nothing.
  ///
  /// Collective.
  func scatter(_ whole: [(name: String, values: FloatBuffer)]) throws {
    let block = try FloatBuffer(count: Self.blockCount, for: Self.purpose)
    for (index, (_, own)) in optimizer.state.enumerated() {
      for range in blocks(elementCount) {
        if communicator.rank == 0 {
          block.base.update(
            from: whole[index].values.base + range.lowerBound, count: range.count)
        }
        try communicator.broadcast(
          UnsafeMutableBufferPointer(start: block.base, count: range.count), from: 0)
        var place = 0
        for chunk in optimizer.chunks {
          let part = chunk.clamped(to: range)
          (own.base + place + part.lowerBound - chunk.lowerBound)
            .update(from: block.base + part.lowerBound - range.lowerBound, count: part.count)
          place += chunk.count
        }
      }
    }
  }

  /// The chunks of every rank; collective.
  func allChunks() throws -> [[Range<Int>]] {
    let bounds = optimizer.chunks.flatMap { [$0.lowerBound, $0.upperBound] }
    return try communicator.allgatherv(bounds).map { bounds in
      stride(from: 0, to: bounds.count, by: 2).map { bounds[$0]..<bounds[$0 + 1] }
    }
  }

  private func blocks(_ count: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: Self.blockCount).map { $0..<min($0 + Self.blockCount, count) }
  }

  private func floats(_ buffer: FloatBuffer, _ range: Range<Int>) -> UnsafeMutableBufferPointer<
    Float
  > {
    UnsafeMutableBufferPointer(start: buffer.base + range.lowerBound, count: range.count)
  }
}
