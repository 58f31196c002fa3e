// The order of the samples, and that ranks do not change it.

import Datasets
import Files
import Testing

@Suite struct ShardedSamplerTests {
  @Test(arguments: [(10, 4, 1), (7, 7, 1), (5, 8, 1), (1, 1, 1), (3, 4, 5), (6, 2, 2)])
  func everyDrawComesOnceAnEpoch(_ count: Int, _ globalBatch: Int, _ tiles: Int) throws {
    let ids = (0..<count).map { 3 * $0 + 2 }
    let sampler = try ShardedSampler(
      samples: ids, globalBatch: globalBatch, tilesPerImage: tiles, seed: 9)
    for epoch in 0..<3 {
      var samples: [Int] = []
      var draws: [Int] = []
      for stepInEpoch in 0..<sampler.stepsPerEpoch {
        let batch = sampler.batch(step: epoch * sampler.stepsPerEpoch + stepInEpoch)
        #expect(batch.epoch == epoch && batch.stepInEpoch == stepInEpoch)
        #expect(batch.samples.count == batch.draws.count && !batch.samples.isEmpty)
        if stepInEpoch < sampler.stepsPerEpoch - 1 { #expect(batch.samples.count == globalBatch) }
        samples += batch.samples
        draws += batch.draws
      }
      #expect(samples.sorted() == ids.flatMap { Array(repeating: $0, count: tiles) })
      #expect(Set(draws).count == count * tiles)
      if tiles == 1 { #expect(draws == samples) }
    }
  }

  @Test func epochsAndSeedsAreShuffledDifferently() throws {
    let sampler = try ShardedSampler(samples: Array(0..<40), globalBatch: 40, seed: 1)
    let other = try ShardedSampler(samples: Array(0..<40), globalBatch: 40, seed: 2)
    let orders = [sampler.batch(step: 0), sampler.batch(step: 1), other.batch(step: 0)]
    #expect(Set(orders.map(\.samples)).count == 3)
    #expect(orders[0].samples != Array(0..<40))
  }

  @Test func aKeptOrderGivesTheSameBatches() throws {
    let sampler = try ShardedSampler(
      samples: Array(0..<7), globalBatch: 3, tilesPerImage: 2, seed: 1)
    var order: ShardedSampler.EpochOrder?
    // In turn over two ends of epochs, then back and far ahead.
    for step in Array(0..<11) + [2, 40, 39] {
      #expect(sampler.batch(step: step, keeping: &order) == sampler.batch(step: step))
    }
  }

  @Test(arguments: 1...9)
  func ranksShareTheSamePlaces(_ ranks: Int) throws {
    let sampler = try ShardedSampler(samples: Array(0..<11), globalBatch: 8, seed: 3)
    for step in 0..<4 {
      let batch = sampler.batch(step: step)
      let batchIndices = (0..<ranks).flatMap { Array(batch.batchIndices(rank: $0, ranks: ranks)) }
      #expect(batchIndices == Array(batch.samples.indices))
    }
    let sizes = (0..<ranks).map { sampler.batchIndices(rank: $0, ranks: ranks).count }
    #expect(sizes.reduce(0, +) == 8 && (sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
  }

  @Test func badNumbersAreErrors() {
    func kind(_ samples: [Int], _ globalBatch: Int, _ tiles: Int) -> FileError.Kind? {
      #expect(throws: FileError.self) {
        try ShardedSampler(
          samples: samples, globalBatch: globalBatch, tilesPerImage: tiles, seed: 1)
      }?.kind
    }
    #expect(kind([], 1, 1) == .noImages)
    #expect(kind([1], 0, 1) == .invalidArgument)
    #expect(kind([1], -2, 1) == .invalidArgument)
    #expect(kind([1], 1, 0) == .invalidArgument)
    #expect(kind([1], 1, .max) == .invalidArgument)
  }

  @Test func aHugeBatchIsTheWholeEpoch() throws {
    let sampler = try ShardedSampler(samples: [4, 5], globalBatch: .max, seed: 1)
    #expect(sampler.stepsPerEpoch == 1)
    #expect(sampler.batch(step: 3).samples.sorted() == [4, 5])
  }
}
