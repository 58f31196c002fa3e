// A mask as a small number for each pixel, whatever its values are.

import Imaging

/// What the codes of a mask's pixels stand for.
///
/// Which class a value is follows from all masks of a set, which are decoded one by one. So a mask is kept
/// as codes, the position of a pixel's meaning in a list of the mask's own.
struct MaskCodes: Codable, Equatable, Sendable {
  /// What else is known of pixels than their value.
  enum Kind: Int, Codable, Sendable {
    /// Nothing.
    case plain
    /// They lie between numbered objects that touch, and are labelled as the first class.
    case border
    /// The image holds no measurement there.
    case missing
    /// The mask's file says that the value is no data.
    case noData
  }

  /// What a code stands for.
  struct Meaning: Codable, Equatable, Sendable {
    /// The value in the mask (`MaskValue.packed`).
    let value: Int64
    let kind: Kind
    /// The pixels of this code.
    var pixels: Int
    /// The first of them, in rows from the top.
    let first: Int
  }

  /// The meanings by code, in the order of their first pixels.
  private(set) var meanings: [Meaning] = []

  /// Bytes of a pixel's code: one or two, or none where two do not suffice, in a mask of more values than
  /// there can be classes.
  var byteCount: Int {
    switch meanings.count {
    case ...256: 1
    case ...65_536: 2
    default: 0
    }
  }

  /// The codes of pixels as they are kept, in `byteCount` bytes each; none where these do not suffice.
  ///
  /// - Parameter pixels: what a ``MaskEncoder`` with these codes made of them.
  func kept(_ pixels: [UInt16]) -> Image.Samples {
    switch byteCount {
    case 1:
      // By pointers, which are vectors of instructions then.
      .uint8(
        [UInt8](unsafeUninitializedCapacity: pixels.count) { kept, count in
          for place in pixels.indices { kept[place] = UInt8(truncatingIfNeeded: pixels[place]) }
          count = pixels.count
        })
    case 2: .uint16(pixels)
    default: .uint8([])
    }
  }

  fileprivate mutating func add(_ meaning: Meaning) { meanings.append(meaning) }
  fileprivate mutating func count(_ pixels: Int, of code: Int) { meanings[code].pixels += pixels }
}

/// Finds the codes of a mask that is seen by bands of rows.
struct MaskEncoder {
  private struct Key: Hashable {
    let value: Int64
    let kind: MaskCodes.Kind
  }

  /// The codes found so far.
  private(set) var codes = MaskCodes()
  private var known: [Key: Int] = [:]
  /// So many meanings are found faster one after another.
  private static let fewCount = 8
  /// The pixels seen so far.
  private var seen = 0

  /// Adds the next pixels, by their packed values, of which `noData` is none by the mask's file.
  ///
  /// - Returns: the code of each of them, which is cut to 16 bits.
  mutating func add(
    _ values: [Int64], noData: Int64? = nil, borders: [Bool]?, missing: [Bool]?
  ) -> [UInt16] {
    func kind(_ place: Int) -> MaskCodes.Kind {
      if missing?[place] == true { return .missing }
      if values[place] == noData { return .noData }
      return borders?[place] == true ? .border : .plain
    }
    /// The place behind the last of equal values.
    func run(of value: Int64, from start: Int) -> Int {
      values.withUnsafeBufferPointer { values in
        var end = start + 1
        while end < values.count && values[end] == value { end += 1 }
        return end
      }
    }
    let isPlain = missing == nil && borders == nil
    let pixels = [UInt16](unsafeUninitializedCapacity: values.count) { pixels, count in
      // Neighbours are mostly equal: one search a run, not one a pixel.
      var start = 0
      while start < values.count {
        let key = Key(value: values[start], kind: kind(start))
        var end = run(of: key.value, from: start)
        if !isPlain { end = (start + 1..<end).first { kind($0) != key.kind } ?? end }
        let code = self.code(of: key) ?? codes.meanings.count
        if code == codes.meanings.count {
          known[key] = code
          codes.add(
            MaskCodes.Meaning(value: key.value, kind: key.kind, pixels: 0, first: seen + start))
        }
        codes.count(end - start, of: code)
        pixels[start..<end].initialize(repeating: UInt16(truncatingIfNeeded: code))
        start = end
      }
      count = values.count
    }
    seen += values.count
    return pixels
  }

  private func code(of key: Key) -> Int? {
    codes.meanings.count <= Self.fewCount
      ? codes.meanings.firstIndex { $0.value == key.value && $0.kind == key.kind } : known[key]
  }
}
