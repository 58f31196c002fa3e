// Steps of training on ranks that are threads of this process.

import Communication
import Datasets
import Foundation
import Network
import Randomness
import Tensors
import TestSupport
import Testing
import Threading
import Training

@Suite struct TrainingStepTests {
  /// A way to exchange gradients.
  struct Exchange: Sendable, CustomStringConvertible {
    let ranks: Int
    let overlap: Overlap
    let isSharded: Bool
    var description: String { "\(ranks) ranks, \(overlap)\(isSharded ? ", sharded" : "")" }
  }

  static let exchanges = [
    Exchange(ranks: 1, overlap: .off, isSharded: false),
    Exchange(ranks: 2, overlap: .off, isSharded: false),
    Exchange(ranks: 2, overlap: .thread, isSharded: false),
    Exchange(ranks: 3, overlap: .test, isSharded: false),
    Exchange(ranks: 3, overlap: .thread, isSharded: true),
    Exchange(ranks: 4, overlap: .off, isSharded: true),
  ]

  @Test(arguments: exchanges) func stepsAreTheSame(_ exchange: Exchange) throws {
    let alone = try Self.run(Self.exchanges[0], steps: 2) { _ in }[0]
    for rank in try Self.run(exchange, steps: 2, before: { _ in }) {
      // Compared outside of the macro, which would look for the shortest list of differences.
      let isSame = rank.parameters == alone.parameters
      #expect(isSame, "\(exchange)")
      #expect(rank.losses == alone.losses && rank.norms == alone.norms, "\(exchange)")
    }
  }

  /// The loss is finite and so are the gradients of all layers but the first, whose bucket is the
  /// last one: nothing may have been updated by then.
  @Test(arguments: exchanges) func nothingIsUpdatedWhereTheLastBucketIsInfinite(
    _ exchange: Exchange
  ) throws {
    let before = Recorder()
    let ranks = try Self.run(exchange, steps: 1, intensity: 1000) { step in
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

  /// Runs steps on a batch of five made-up tiles; `prepare` may change the weights at the start.
  static func run(
    _ exchange: Exchange, steps: Int, intensity: Float = 1,
    before prepare: @escaping @Sendable (TrainingStep) throws -> Void
  ) throws -> [Outcome] {
    let tile = 16
    let count = 5
    let outcomes = ThreadedCommunicator.run(ranks: exchange.ranks) { communicator in
      let network = UNet(UNetConfiguration(baseChannels: 16, depth: 1, padding: .zero))
      let reducer = GradientReducer(
        communicator: communicator,
        buckets: GradientBuckets(elementCount: network.layout.count, byteCount: 16 << 10),
        overlap: exchange.overlap, isSharded: exchange.isSharded)
      #expect(reducer.buckets.ranges.count > 3)
      let step = try TrainingStep(
        network: network,
        optimizer: Optimizer(
          kind: .adam, momentum: 0, weightDecay: 0.01, layout: network.layout,
          slices: reducer.owned(by: communicator.rank)),
        tile: tile, globalBatch: count, classWeights: nil, clipNorm: 0, seed: 7, reducer: reducer,
        communicator: communicator, team: ThreadTeam(count: 1))
      network.initialize(step.parameters.base, seed: 3)
      try prepare(step)
      let sampler = try ShardedSampler(samples: Array(0..<count), globalBatch: count, seed: 0)
      var (losses, norms): ([Double], [Double]) = ([], [])
      for number in 0..<steps {
        let batch = sampler.batch(step: number)
        let places = batch.places(rank: communicator.rank, ranks: exchange.ranks)
        let samples = places.map { Self.sample($0, tile: tile, intensity: intensity) }
        let result = try step.run(
          LoadedBatch(batch: batch, places: places, samples: samples), rate: 0.01)
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

  /// The draw is 0 for all of them, so they share their dropout.
  private static func sample(_ place: Int, tile: Int, intensity: Float) -> SampleBuffer {
    let buffer = SampleBuffer(tile: TileShape(inputSide: tile, outputSide: tile), channels: 1)
    var stream = RandomStream(seed: 5, purpose: .synthesis, sample: place)
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
