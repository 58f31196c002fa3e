// Steps of training on ranks that are threads of this process.

import Communication
import Datasets
import Foundation
import Kernels
import Liveness
import Network
import Randomness
import Tensors
import TestSupport
import Testing
import Threading
import Training

@Suite struct TrainingStepTests {
  /// A way to exchange gradients of batches of a size.
  struct Exchange: Sendable, CustomStringConvertible {
    var ranks = 1
    var reduction = Reduction.tree
    var compression = Compression.none
    var overlap = Overlap.off
    var isSharded = false
    var globalBatch = 5
    var description: String {
      "\(ranks) ranks, batches of \(globalBatch), \(reduction), \(compression), \(overlap)"
        + (isSharded ? ", sharded" : "")
    }

    /// The same sums on one rank.
    var alone: Exchange {
      Exchange(reduction: reduction, compression: compression, globalBatch: globalBatch)
    }
  }

  static let exchanges = [
    Exchange(),
    Exchange(ranks: 2),
    Exchange(ranks: 2, overlap: .thread),
    Exchange(ranks: 3, overlap: .poll),
    Exchange(ranks: 3, overlap: .thread, isSharded: true),
    Exchange(ranks: 4, isSharded: true),
  ]

  @Test(arguments: exchanges) func stepsAreTheSame(_ exchange: Exchange) throws {
    try Self.expectSameBits(exchange, steps: 2, .adam)
  }

  /// The lowest of the ranks that were asked is heard by all, whatever the order of updates.
  @Test(arguments: exchanges) func aStopIsHeardByAllRanks(_ exchange: Exchange) throws {
    let heard = ThreadedCommunicator.run(ranks: exchange.ranks) { communicator in
      let step = try Self.makeStep(exchange, .adam, communicator)
      let batch = try Self.loadedBatch(0, exchange, communicator)
      let last = exchange.ranks - 1
      let first = try step.run(batch, rate: 0.01)
      let second = try step.run(batch, rate: 0.01) {
        communicator.rank == last ? .terminate : communicator.rank == last - 1 ? .user1 : nil
      }
      return [first.stop, second.stop]
    }
    for rank in heard {
      #expect(try rank.get() == [nil, exchange.ranks == 1 ? .terminate : .user1], "\(exchange)")
    }
  }

  /// Every legal way to exchange with two to four ranks.
  ///
  /// Of the five tiles an epoch, batches of one
  /// leave all ranks but the last without a sample, and of three, that end with one of two, some.
  static let legalExchanges: [Exchange] = {
    var exchanges: [Exchange] = []
    for ranks in 2...4 {
      for globalBatch in [1, 3, 5] {
        for overlap in [Overlap.off, .poll, .thread] {
          let tree = Exchange(ranks: ranks, overlap: overlap, globalBatch: globalBatch)
          for compression in Compression.allCases {
            for isSharded in [false, true] {
              var exchange = tree
              exchange.compression = compression
              exchange.isSharded = isSharded
              exchanges.append(exchange)
            }
          }
          guard overlap != .poll else { continue }
          var fast = tree
          fast.reduction = .fast
          exchanges.append(fast)
        }
      }
    }
    return exchanges
  }()

  @Test(arguments: legalExchanges.filter { $0.reduction == .tree })
  func everyTreeGivesTheBitsOfOneRank(_ exchange: Exchange) throws {
    try Self.expectSameBits(exchange, steps: 4, .sgd)
  }

  @Test(arguments: legalExchanges.filter { $0.reduction == .fast })
  func everyFastSumIsCloseToOneRank(_ exchange: Exchange) throws {
    let alone = try Self.run(exchange.alone, steps: 4, .sgd)[0]
    for rank in try Self.run(exchange, steps: 4, .sgd) {
      expectClose(rank.losses, alone.losses, .direct, "losses, \(exchange)")
      expectClose(rank.norms, alone.norms, .direct, "norms, \(exchange)")
      expectClose(
        rank.parameters.map { Double(Float(bitPattern: $0)) },
        alone.parameters.map { Double(Float(bitPattern: $0)) }, .direct, "weights, \(exchange)")
    }
  }

  private static func expectSameBits(
    _ exchange: Exchange, steps: Int, _ optimizer: OptimizerKind,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let alone = try run(exchange.alone, steps: steps, optimizer)[0]
    for rank in try run(exchange, steps: steps, optimizer) {
      // Compared outside of the macro, which would look for the shortest list of differences.
      let isSame = rank.parameters == alone.parameters
      #expect(isSame, "\(exchange)", sourceLocation: sourceLocation)
      #expect(
        rank.losses == alone.losses && rank.norms == alone.norms, "\(exchange)",
        sourceLocation: sourceLocation)
    }
  }

  /// The loss is finite and so are the gradients of all layers but the first, whose bucket is the
  /// last one: nothing may have been updated by then.
  @Test(arguments: exchanges) func nothingIsUpdatedWhereTheLastBucketIsInfinite(
    _ exchange: Exchange
  ) throws {
    let before = Recorder()
    let ranks = try Self.run(exchange, steps: 1, .adam, intensity: 1000) { step in
      for (name, factor) in [("down.0.conv1.weight", Float(1e-40)), ("down.0.conv2.weight", 3e38)] {
        let parameter = step.network.layout.parameters.first { $0.name == name }
        let slot = try #require(parameter).slot
        for index in slot.offset..<slot.offset + slot.count {
          step.parameters.base[index] *= factor
        }
      }
      before.set(step.parameters.floats.map(\.bitPattern))
    }
    for rank in ranks {
      #expect(rank.losses.allSatisfy { $0.isFinite }, "\(exchange): \(rank.losses)")
      #expect(!rank.norms[0].isFinite, "\(exchange): \(rank.norms)")
      let isUntouched = rank.parameters == before.values
      #expect(isUntouched, "\(exchange)")
      #expect(rank.state.allSatisfy { $0 == 0 }, "\(exchange)")
    }
  }

  // MARK: Running steps

  /// What a rank has after some steps.
  struct Outcome: Sendable {
    let parameters: [UInt32]
    let state: [UInt32]
    let losses: [Double]
    let norms: [Double]
  }

  /// Runs steps on five made-up tiles; `prepare` may change the weights at the start.
  static func run(
    _ exchange: Exchange, steps: Int, _ optimizer: OptimizerKind, intensity: Float = 1,
    before prepare: @escaping @Sendable (TrainingStep) throws -> Void = { _ in }
  ) throws -> [Outcome] {
    let outcomes = ThreadedCommunicator.run(ranks: exchange.ranks) { communicator in
      let step = try makeStep(exchange, optimizer, communicator)
      #expect(step.reducer.buckets.ranges.count > 3)
      try prepare(step)
      var (losses, norms): ([Double], [Double]) = ([], [])
      for number in 0..<steps {
        let batch = try loadedBatch(number, exchange, communicator, intensity: intensity)
        let result = try step.run(batch, rate: 0.01)
        losses.append(result.loss)
        norms.append(result.gradientNorm)
      }
      return Outcome(
        parameters: step.parameters.floats.map(\.bitPattern),
        state: step.optimizer.state.flatMap { $0.values.floats.map(\.bitPattern) },
        losses: losses, norms: norms)
    }
    return try outcomes.map { try $0.get() }
  }

  private static let tile = 16

  /// Steps of a small network with the same weights on every rank.
  private static func makeStep(
    _ exchange: Exchange, _ optimizer: OptimizerKind, _ communicator: any Communicator
  ) throws -> TrainingStep {
    let network = UNet(UNetConfiguration(baseChannels: 16, depth: 1, padding: .zero))
    let reducer = GradientReducer(
      communicator: communicator,
      buckets: GradientBuckets(elementCount: network.layout.count, byteCount: 16 << 10),
      reduction: exchange.reduction, compression: exchange.compression,
      overlap: exchange.overlap, isSharded: exchange.isSharded)
    let step = try TrainingStep(
      network: network,
      optimizer: Optimizer(
        kind: optimizer, momentum: optimizer == .sgd ? 0.9 : 0, weightDecay: 0.01,
        layout: network.layout, chunks: reducer.owned(by: communicator.rank)),
      tile: tile, globalBatch: exchange.globalBatch, loss: SoftmaxCrossEntropy(), clipNorm: 0,
      seed: 7,
      reducer: reducer, communicator: communicator, team: ThreadTeam(count: 1))
    network.initialize(step.parameters.base, seed: 3)
    return step
  }

  /// A rank's part of the batch of step `number`.
  private static func loadedBatch(
    _ number: Int, _ exchange: Exchange, _ communicator: any Communicator, intensity: Float = 1
  ) throws -> LoadedBatch {
    let sampler = try ShardedSampler(
      samples: Array(0..<5), globalBatch: exchange.globalBatch, seed: 0)
    let batch = sampler.batch(step: number)
    let batchIndices = batch.batchIndices(rank: communicator.rank, ranks: communicator.size)
    return LoadedBatch(
      batch: batch, batchIndices: batchIndices,
      samples: batchIndices.map { sample(batch.samples[$0], intensity: intensity) })
  }

  /// The draw is 0 for all of them, so they share their dropout.
  private static func sample(_ number: Int, intensity: Float) -> SampleBuffer {
    let buffer = SampleBuffer(tile: TileShape(inputSide: tile, outputSide: tile), channels: 1)
    var stream = RandomStream(seed: 5, purpose: .synthesis, sample: number)
    for index in 0..<buffer.imageCount { buffer.image[index] = stream.normalPair().0 * intensity }
    for index in 0..<buffer.labelCount { buffer.labels[index] = UInt8(index / 5 % 2) }
    return buffer
  }
}

/// The weights before the step, the same on every rank.
private final class Recorder: @unchecked Sendable {
  // Unchecked because of the variable, which the lock guards.

  private let lock = NSLock()
  private var kept: [UInt32] = []

  var values: [UInt32] { lock.withLock { kept } }
  func set(_ values: [UInt32]) { lock.withLock { kept = values } }
}
