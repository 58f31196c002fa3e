// What a mask holds, in numbers: how often each value, and in how many pieces.

import Files
import Imaging
import Morphology

/// The values of one mask, from which those of a set follow without its pixels.
struct MaskSummary: Codable, Equatable, Sendable {
  /// One value.
  struct Value: Codable, Equatable, Sendable {
    /// The value (`MaskValue.packed`).
    let value: Int64
    let pixels: Int
    /// The 8-connected pieces of a value beside 0, in a mask with several of those; else 0.
    let pieces: Int
  }

  /// The values in ascending order.
  let values: [Value]

  /// What a mask holds, by its packed values.
  init(_ packed: [Int64], width: Int, height: Int) {
    var counts: [Int64: Int] = [:]
    // Neighbours are mostly equal: one dictionary access a run, not one a pixel.
    var start = 0
    while start < packed.count {
      let value = packed[start]
      var end = start + 1
      while end < packed.count && packed[end] == value { end += 1 }
      counts[value, default: 0] += end - start
      start = end
    }
    let objects = counts.keys.filter { $0 != 0 }.sorted()
    let pieces =
      objects.count > 1 ? Self.pieces(of: objects, packed, width: width, height: height) : [:]
    values = counts.keys.sorted().map {
      Value(value: $0, pixels: counts[$0] ?? 0, pieces: pieces[$0] ?? 0)
    }
  }

  private static func pieces(
    of objects: [Int64], _ packed: [Int64], width: Int, height: Int
  ) -> [Int64: Int] {
    var numbers: [Int64: Int32] = [:]
    for (number, value) in zip(Int32(1)..., objects) { numbers[value] = number }
    let components = ConnectedComponents(
      of: packed.map { numbers[$0] ?? 0 }, width: width, height: height, connectivity: .eight)
    var pieces: [Int64: Int] = [:]
    var seen = [Bool](repeating: false, count: components.count)
    for (place, component) in components.labels.enumerated() where component > 0 {
      guard !seen[Int(component) - 1] else { continue }
      seen[Int(component) - 1] = true
      pieces[packed[place], default: 0] += 1
    }
    return pieces
  }
}
