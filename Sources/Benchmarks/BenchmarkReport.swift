// The result of a benchmark, the same for all of them, as JSON and as text.

import Configuration
import Datasets
package import Files
package import Inference
import Kernels
import Network

/// A square image and the tiles that it is predicted by.
package struct WholeImage {
  /// Rows, and columns.
  package let side: Int
  package let plan: TilePlan

  /// The tiles that cover it.
  package var tileCount: Int { plan.tiling(height: side, width: side).windows.count }
}

/// The seconds of a benchmark's repetitions, with what they were spent on.
package struct BenchmarkReport {
  /// The name of the benchmark.
  package let name: String
  package let setting: BenchmarkSetting
  package let ranks: Int
  /// Seconds of each repetition, on the slowest rank.
  package let seconds: [Double]
  /// Multiply-adds of a repetition by the direct algorithm, over all ranks.
  package let multiplyAdds: Int
  /// The largest resident set of any rank so far.
  package let peakByteCount: Int
  /// The image and its tiles, where whole images were measured and not tiles of the setting.
  package var image: WholeImage?
  /// What this benchmark tells beside that.
  package var details: [(name: String, value: JSONValue)] = []
  /// The same for people, or what it means.
  package var detailText = ""

  /// The report as JSON.
  package var json: JSONValue {
    let work = gflop(multiplyAdds)
    guard case .object(let network) = setting.network.configuration.json else { return .null }
    let measured: [(String, JSONValue)] =
      if let image {
        [
          ("image_size", .integer(image.side)),
          ("tile_height", .integer(image.plan.tiles[0].rows.inputSide)),
          ("tile_width", .integer(image.plan.tiles[0].columns.inputSide)),
          ("tiles", .integer(image.tileCount)),
        ]
      } else {
        [("tile", .integer(setting.tile))]
      }
    let configuration = network + measured + [("batch", .integer(setting.batch))]
    return .object(
      [
        ("benchmark", .text(name)),
        ("median_seconds", .number(median(seconds))),
        ("seconds", .list(seconds.map { .number($0) })),
        ("peak_rss_bytes", .integer(peakByteCount)),
        ("gflop_direct", .number(work)),
        ("gflops_effective", .number(work / median(seconds))),
        ("threads", .integer(setting.threads)),
        ("ranks", .integer(ranks)),
        ("blas_kernels", .text(MatrixProduct.kernels)),
        ("repetitions", .integer(setting.repetitions)),
        ("warmup", .integer(setting.warmup)),
        ("configuration", .object(configuration)),
      ] + details)
  }

  /// The report for people.
  package var text: String {
    let network = setting.network.configuration
    var table = TextTable([name, ""])
    let times = seconds.map { $0.decimals(4) }.joined(separator: " ")
    var rows = [
      ("median", "\(median(seconds).decimals(4)) s"), ("repetitions", "\(times) s"),
      ("peak memory of a rank", peakByteCount.megabytes),
    ]
    if multiplyAdds > 0 {
      rows += [
        ("direct algorithm", "\(gflop(multiplyAdds).decimals(1)) GFLOP"),
        (
          "effective speed",
          "\((gflop(multiplyAdds) / median(seconds)).decimals(1)) GFLOP/s"
        ),
      ]
    }
    rows += [("ranks", "\(ranks)"), ("threads a rank", "\(setting.threads)")]
    if let image {
      let plan = image.plan
      rows += [
        ("images a rank", "\(setting.batch)"), ("image", "\(image.side)x\(image.side)"),
        ("tiles an image", "\(image.tileCount)"),
        ("tile", "\(plan.tiles[0].columns.inputSide)x\(plan.tiles[0].rows.inputSide)"),
      ]
    } else {
      rows += [("tiles a rank", "\(setting.batch)"), ("tile", "\(setting.tile)")]
    }
    rows += [
      (
        "network",
        "base channels \(network.baseChannels), depth \(network.depth), "
          + "\(network.padding.rawValue), \(network.upsampling.rawValue)"
          + (network.normalization == .none ? "" : ", \(network.normalization.rawValue) norm")
      ),
      ("BLAS kernels", MatrixProduct.kernels),
    ]
    for (name, value) in rows { table.add([name, value]) }
    return table.text + (detailText.isEmpty ? "" : "\n" + detailText)
  }
}

/// The middle of the values, or the mean of the two in the middle.
package func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  guard !sorted.isEmpty else { return .nan }
  let middle = sorted.count / 2
  return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
}
