// The loader thread: the same bytes as direct calls, errors, and early ends.

import Datasets
import Files
import Foundation
import Imaging
import Testing

@Suite(.timeLimit(.minutes(1))) struct BatchLoaderTests {
  private let tile = TileShape(inputSide: 24, outputSide: 16)

  private func loader(
    _ dataset: Dataset, _ sampler: ShardedSampler, rank: Int = 0, ranks: Int = 1,
    startStep: Int = 0,
    threads: Int = 1, threadLimit: Int = 1
  ) -> BatchLoader {
    BatchLoader(
      dataset: dataset, sampler: sampler, augmentation: .copying, tile: tile, seed: 6, rank: rank,
      ranks: ranks, startStep: startStep, threads: threads,
      threadLimit: threadLimit)
  }

  @Test(arguments: [(0, 0, 1), (7, 0, 1), (0, 1, 2), (5, 2, 3), (3, 5, 6)])
  func batchesEqualDirectCalls(_ startStep: Int, _ rank: Int, _ ranks: Int) throws {
    let dataset = try SyntheticCells.dataset(count: 5, side: 32, seed: 1)
    let sampler = try ShardedSampler(
      samples: Array(0..<5), globalBatch: 4, tilesPerImage: 2, seed: 2)
    let loader = loader(dataset, sampler, rank: rank, ranks: ranks, startStep: startStep)
    let direct = SampleBuffer(tile: tile, channels: 1)
    for step in startStep..<startStep + 8 {
      let loaded = try loader.next()
      #expect(loaded.batch == sampler.batch(step: step))
      #expect(loaded.batchIndices == loaded.batch.batchIndices(rank: rank, ranks: ranks))
      #expect(loaded.samples.count == loaded.batchIndices.count)
      for (buffer, batchIndex) in zip(loaded.samples, loaded.batchIndices) {
        let draw = loaded.batch.draws[batchIndex]
        Augmentation.copying.fill(
          direct, from: try dataset.image(loaded.batch.samples[batchIndex]),
          stream: Augmentation.stream(seed: 6, epoch: loaded.batch.epoch, draw: draw))
        #expect(memcmp(buffer.image, direct.image, 4 * direct.imageCount) == 0)
        #expect(memcmp(buffer.labels, direct.labels, direct.labelCount) == 0)
        #expect(buffer.sample == loaded.batch.samples[batchIndex] && buffer.draw == draw)
        #expect(buffer.epoch == loaded.batch.epoch && buffer.name == dataset.names[buffer.sample])
      }
    }
    #expect(loader.secondsWaited >= 0 && loader.totalSecondsWaited >= loader.secondsWaited)
    loader.close()
  }

  /// None fill tiles as they are asked for, several share a batch out: always the same batches.
  @Test(arguments: [0, 2, 3]) func anyNumberOfThreadsPreparesTheSameBatches(_ threads: Int) throws {
    let dataset = try SyntheticCells.dataset(count: 5, side: 64, seed: 1)
    let sampler = try ShardedSampler(
      samples: Array(0..<5), globalBatch: 6, tilesPerImage: 4, seed: 2)
    func tiles(_ threads: Int) throws -> [[Float]] {
      let loader = loader(
        dataset, sampler, startStep: 3, threads: threads, threadLimit: threads)
      var tiles: [[Float]] = []
      for step in 3..<60 {
        let loaded = try loader.next()
        #expect(loaded.batch == sampler.batch(step: step))
        tiles += loaded.samples.map { buffer in
          (0..<buffer.imageCount).map { buffer.image[$0] }
        }
      }
      loader.close()
      #expect(loader.threadCount == threads)
      return tiles
    }
    #expect(try tiles(threads) == tiles(1))
  }

  /// Who only takes batches waits for each.
  @Test func waitingAgainAndAgainAddsThreads() throws {
    let dataset = try SyntheticCells.dataset(count: 2, side: 64, seed: 1)
    let sampler = try ShardedSampler(
      samples: [0, 1], globalBatch: 8, tilesPerImage: 40, seed: 2)
    let loader = BatchLoader(
      dataset: dataset, sampler: sampler, augmentation: .all,
      tile: TileShape(inputSide: 128, outputSide: 128), seed: 6, threadLimit: 3)
    #expect(loader.threadCount == 1)
    for _ in 0..<40 { _ = try loader.next() }
    #expect(loader.threadCount == 3)
  }

  @Test func aBatchStaysUntilTheNextOne() throws {
    let dataset = try SyntheticCells.dataset(count: 3, side: 32, seed: 1)
    let loader = loader(dataset, try ShardedSampler(samples: [0, 1, 2], globalBatch: 1, seed: 2))
    for _ in 0..<6 {
      let buffer = try loader.next().samples[0]
      let before = (0..<buffer.imageCount).map { buffer.image[$0] }
      // Long enough for the thread to prepare all it may.
      Thread.sleep(forTimeInterval: 0.02)
      #expect((0..<buffer.imageCount).map { buffer.image[$0] } == before)
    }
  }

  @Test(arguments: [0, 1, 3]) func closingEarlyNeverHangs(_ threads: Int) throws {
    let dataset = try SyntheticCells.dataset(count: 3, side: 32, seed: 1)
    let sampler = try ShardedSampler(samples: [0, 1, 2], globalBatch: 2, seed: 2)
    for used in 0..<30 {
      let loader = loader(dataset, sampler, threads: threads)
      for _ in 0..<used % 4 { _ = try loader.next() }
      loader.close()
      loader.close()
      let error = #expect(throws: FileError.self) { try loader.next() }
      #expect(error?.kind == .closed)
    }
    // Without a call of close(), the end of the loader's life closes it.
    for _ in 0..<10 { _ = try loader(dataset, sampler).next() }
  }

  /// Weights are computed when they are needed, from instances that may have gone by then.
  @Test(arguments: [0, 1, 3]) func errorsOfAThreadComeAtTheirStep(_ threads: Int) throws {
    let folder = try TemporaryFolder()
    for name in ["a", "b", "c"] {
      for kind in ["images", "masks", "instances"] { try folder.grey("\(kind)/\(name).png") }
    }
    let index = try SampleIndex.folder(folder.path)
    let mapping = try ClassMapping(scanning: index)
    let dataset = try Dataset(index, mapping: mapping)
      .weighted(by: WeightMap(classWeights: [Float](repeating: 1, count: mapping.count)))
    let sampler = try ShardedSampler(samples: [0, 1, 2], globalBatch: 1, seed: 2)
    let broken = sampler.batch(step: 1).samples[0]
    try folder.text("instances/\(dataset.names[broken]).png", "no picture")
    let loader = loader(dataset, sampler, threads: threads)
    #expect(try loader.next().batch.step == 0)
    for _ in 0..<2 {
      let error = #expect(throws: FileError.self) { try loader.next() }
      #expect(error?.path.hasSuffix("instances/\(dataset.names[broken]).png") == true)
    }
    loader.close()
  }
}
