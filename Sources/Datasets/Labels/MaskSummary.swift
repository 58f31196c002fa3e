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

  /// Pixels of one value, in a mask whose file says that they are no data.
  struct NoData: Codable, Equatable, Sendable {
    let value: Int64
    let pixels: Int
  }

  /// The values in ascending order, but for what follows.
  let values: [Value]
  /// The pixels whose value is no data by the mask's file, where there are some.
  let noData: NoData?
  /// The pixels whose image holds no measurement, whatever their value.
  let missingPixels: Int

  /// What a mask holds, by its packed values.
  init(_ packed: [Int64], width: Int) {
    var count = Count(width: width)
    count.add(packed, noData: nil, missing: nil)
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
    (noData, missingPixels) = (count.noData, count.missingPixels)
  }

  /// A mask that is counted by bands of rows.
  struct Count {
    fileprivate private(set) var pixels: [Int64: Int] = [:]
    fileprivate private(set) var components: ComponentCounter
    fileprivate private(set) var noData: NoData?
    fileprivate private(set) var missingPixels = 0

    /// A count of no row yet.
    init(width: Int) {
      components = ComponentCounter(width: width)
    }

    /// Counts the next rows, by their packed values.
    ///
    /// - Parameters:
    ///   - noData: the value that is no data by the mask's file.
    ///   - missing: the pixels whose image holds no measurement; they are counted apart, as of no value.
    mutating func add(_ packed: [Int64], noData: Int64?, missing: [Bool]?) {
      var packed = packed
      if let missing {
        for place in packed.indices where missing[place] {
          packed[place] = 0
          missingPixels += 1
        }
        pixels[0, default: 0] -= missing.count { $0 }
      }
      addPixels(packed)
      if pixels[0] == 0 { pixels[0] = nil }
      if let noData, let count = pixels.removeValue(forKey: noData) {
        self.noData = NoData(value: noData, pixels: (self.noData?.pixels ?? 0) + count)
      }
      components.add(packed)
    }

    private mutating func addPixels(_ packed: [Int64]) {
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
    }
  }
}
