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

  /// What was counted.
  init(_ count: Count) {
    var pixels: [Int64: Int] = [:]
    var (noData, missingPixels) = (NoData?.none, 0)
    for meaning in count.codes.meanings {
      switch meaning.kind {
      case .plain, .border: pixels[meaning.value, default: 0] += meaning.pixels
      case .missing: missingPixels += meaning.pixels
      case .noData: noData = NoData(value: meaning.value, pixels: meaning.pixels)
      }
    }
    (self.noData, self.missingPixels) = (noData, missingPixels)
    let areSeveral = count.codes.objectValueCount > 1
    values = pixels.sorted { $0.key < $1.key }.map { value, pixels in
      Value(
        value: value, pixels: pixels,
        pieces: areSeveral && value != 0 ? count.pieces[value] ?? 0 : 0)
    }
  }

  /// A mask that is counted by bands of rows.
  struct Count {
    private var encoder = MaskEncoder()
    private var components: ComponentCounter
    private let pixelCount: Int

    /// A count of no row yet.
    init(width: Int, height: Int) {
      components = ComponentCounter(width: width)
      pixelCount = width * height
    }

    /// The codes so far.
    var codes: MaskCodes { encoder.codes }
    /// The pieces of values in a mask of several, those that are not yet joined counted apart.
    fileprivate var pieces: [Int64: Int] { components.counts }

    /// Counts the next rows, by their packed values (see `MaskEncoder.add`); pixels without a measurement are
    /// of no value.
    ///
    /// - Returns: the code of each of them, which is cut to 16 bits.
    mutating func add(
      _ packed: [Int64], noData: Int64?, borders: [Bool]?, missing: [Bool]?
    ) -> [UInt16] {
      let pixels = encoder.add(packed, noData: noData, borders: borders, missing: missing)
      // Of a mask that is here as a whole it is known now that nobody asks for pieces.
      guard packed.count < pixelCount || codes.objectValueCount > 1 else { return pixels }
      var packed = packed
      if let missing {
        for place in packed.indices where missing[place] { packed[place] = 0 }
      }
      components.add(packed)
      return pixels
    }
  }
}

extension MaskCodes {
  /// The values beside 0 of pixels that are measured, and are not no data.
  fileprivate var objectValueCount: Int {
    var values: Set<Int64> = []
    for meaning in meanings where meaning.value != 0 && [.plain, .border].contains(meaning.kind) {
      values.insert(meaning.value)
    }
    return values.count
  }
}
