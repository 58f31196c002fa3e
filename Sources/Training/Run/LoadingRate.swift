// How fast the tiles of a run are made, without training.

package import Communication
package import Configuration
import Datasets

/// The tiles that a rank makes in a second, by what is done to them.
package struct LoadingRate: Sendable, Equatable {
  /// What is done to the tiles.
  package let name: String
  /// Tiles a second on one thread, one value a repetition.
  package let tilesPerSecond: [Double]
}

extension LoadingRate {
  /// Measures the loading of a run that is never written, on one thread of each rank; collective.
  ///
  /// Three ways of making a tile are measured in turn: as the run makes them, moved, turned and flipped
  /// alone, and as they lie in the image.
  ///
  /// - Parameters:
  ///   - tiles: a repetition's tiles of a rank, rounded up to whole batches.
  package static func run(
    _ configuration: TrainingConfiguration, tiles: Int, repetitions: Int,
    communicator: any Communicator
  ) throws -> [LoadingRate] {
    precondition(tiles > 0 && repetitions > 0, "\(repetitions) times \(tiles) tiles")
    let display = RunDisplay()
    defer { display.finish() }
    try configuration.verifySameStart(communicator)
    let plan = try RunPlan(configuration, display: display, communicator: communicator)
    let ways = [
      ("as the run makes them", plan.augmentation),
      ("moved, turned and flipped", Augmentation.copying),
      ("as they lie", Augmentation.none),
    ]
    var rates = ways.map { LoadingRate(name: $0.0, tilesPerSecond: []) }
    for _ in 0..<repetitions {
      for (place, way) in ways.enumerated() {
        let loader = BatchLoader(
          dataset: plan.data.dataset, sampler: plan.sampler, augmentation: way.1, tile: plan.tile,
          seed: plan.configuration.seed, rank: communicator.rank, ranks: communicator.size)
        defer { loader.close() }
        // Those that were made ahead while nobody measured.
        for _ in 0...BatchLoader.depth { _ = try loader.next() }
        let clock = ContinuousClock()
        let start = clock.now
        var count = 0
        while count < tiles {
          let made = try loader.next().samples.count
          guard made > 0 else { break }
          count += made
        }
        rates[place] = rates[place].adding(Double(count) / ((clock.now - start) / .seconds(1)))
      }
    }
    return rates
  }

  private func adding(_ rate: Double) -> LoadingRate {
    LoadingRate(name: name, tilesPerSecond: tilesPerSecond + [rate])
  }
}
