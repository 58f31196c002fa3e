// What a mask holds, in numbers: how often each value, and in how many pieces.

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
  init(_ packed: [Int64], width: Int) {
    var count = Count(width: width)
    count.add(packed)
    self.init(count)
  }

  /// What was counted.
  init(_ count: Count) {
    let objects = count.pixels.keys.count { $0 != 0 }
    values = count.pixels.keys.sorted().map {
      Value(
        value: $0, pixels: count.pixels[$0] ?? 0,
        pieces: objects > 1 ? count.components.counts[$0] ?? 0 : 0)
    }
  }

  /// A mask that is counted by bands of rows.
  struct Count {
    fileprivate private(set) var pixels: [Int64: Int] = [:]
    fileprivate private(set) var components: ComponentCounter

    /// A count of no row yet.
    init(width: Int) {
      components = ComponentCounter(width: width)
    }

    /// Counts the next rows, by their packed values.
    mutating func add(_ packed: [Int64]) {
      // Neighbours are mostly equal: one dictionary access a run, not one a pixel.
      packed.withUnsafeBufferPointer { packed in
        var start = 0
        while start < packed.count {
          let value = packed[start]
          var end = start + 1
          while end < packed.count && packed[end] == value { end += 1 }
          pixels[value, default: 0] += end - start
          start = end
        }
      }
      components.add(packed)
    }
  }
}
