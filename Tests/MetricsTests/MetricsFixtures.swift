// What scikit-image and scipy compute, from Scripts/make-metrics-fixtures.py.

import Foundation
import Metrics

/// The fixture's file.
struct MetricsFixtures: Decodable, Sendable {
  struct Agreement: Decodable {
    let rand: Double
    let information: Double
  }

  struct Threshold: Decodable {
    let plain: Agreement?
    let thinned: Agreement?
    let truePositives: Int
    let falsePositives: Int
    let falseNegatives: Int
  }

  struct Surface: Decodable {
    let average: Double
    let hausdorff95: Double
  }

  /// An image with borders of the label 0.
  struct Borders: Decodable {
    let width: Int
    let height: Int
    let truth: [UInt8]
    let interior: [Float]
    let prediction: [UInt8]
    let thresholds: [Threshold]
    let surfaces: [Surface?]
  }

  /// An image of numbered objects.
  struct Objects: Decodable {
    let reference: [Int32]
    let prediction: [Int32]
    let known: [Int]
    let referenceCount: Int
    let predictedCount: Int
    let seg: Double
    let averagePrecisions: [Double]
    let mean: Double
    let sq: Double
    let rq: Double
    let pq: Double
  }

  let borders: [Borders]
  let objects: [Objects]

  /// The file, read where it lies in the source tree.
  static func read() throws -> MetricsFixtures {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/metrics.json")
    return try JSONDecoder().decode(MetricsFixtures.self, from: Data(contentsOf: path))
  }
}

/// Whether two numbers are equal but for the order of their sums.
func isClose(_ value: Double?, _ expected: Double?) -> Bool {
  guard let value, let expected else { return value == nil && expected == nil }
  return abs(value - expected) <= 1e-9
}
