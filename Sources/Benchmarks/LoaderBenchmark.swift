// The making of tiles as a benchmark: its report.

package import Communication
package import Configuration
package import Files
import Training

/// Tiles a second by what is done to them; see `LoadingRate`.
package struct LoaderBenchmark {
  private let rates: [LoadingRate]

  /// Measures it; collective.
  package init(
    _ configuration: TrainingConfiguration, tiles: Int, repetitions: Int,
    communicator: any Communicator
  ) throws {
    rates = try LoadingRate.run(
      configuration, tiles: tiles, repetitions: repetitions, communicator: communicator)
  }

  /// A row for each way.
  package var text: String {
    var table = TextTable(["tiles of one thread", "a second, median", "slowest", "fastest"])
    for rate in rates {
      let values = rate.tilesPerSecond
      table.add([
        rate.name, median(values).decimals(1), (values.min() ?? 0).decimals(1),
        (values.max() ?? 0).decimals(1),
      ])
    }
    return table.text
  }

  package var json: JSONValue {
    .object(
      rates.map { rate in
        (rate.name, .list(rate.tilesPerSecond.map { .number($0) }))
      })
  }
}
