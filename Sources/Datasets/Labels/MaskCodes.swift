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

  /// The codes of a mask of these packed values, and the code of each pixel; none of more codes than two
  /// bytes can tell.
  static func coded(
    _ values: [Int64], borders: [Bool]?, missing: [Bool]?
  ) -> (codes: MaskCodes, pixels: Image.Samples) {
    struct Key: Hashable {
      let value: Int64
      let kind: Kind
    }
    func kind(_ place: Int) -> Kind {
      missing?[place] == true ? .missing : borders?[place] == true ? .border : .plain
    }
    /// The place behind the last of equal values.
    func run(of value: Int64, from start: Int) -> Int {
      values.withUnsafeBufferPointer { values in
        var end = start + 1
        while end < values.count && values[end] == value { end += 1 }
        return end
      }
    }
    var codes = MaskCodes()
    var known: [Key: Int] = [:]
    let isPlain = missing == nil && borders == nil
    let pixels = [UInt16](unsafeUninitializedCapacity: values.count) { pixels, count in
      // Neighbours are mostly equal: one search a run, not one a pixel.
      var start = 0
      while start < values.count {
        let key = Key(value: values[start], kind: kind(start))
        var end = run(of: key.value, from: start)
        if !isPlain { end = (start + 1..<end).first { kind($0) != key.kind } ?? end }
        let code = known[key] ?? codes.meanings.count
        if code == codes.meanings.count {
          known[key] = code
          codes.meanings.append(
            Meaning(value: key.value, kind: key.kind, pixels: 0, first: start))
        }
        codes.meanings[code].pixels += end - start
        pixels[start..<end].initialize(repeating: UInt16(truncatingIfNeeded: code))
        start = end
      }
      count = values.count
    }
    return switch codes.byteCount {
    case 1: (codes, .uint8(pixels.map { UInt8(truncatingIfNeeded: $0) }))
    case 2: (codes, .uint16(pixels))
    default: (codes, .uint8([]))
    }
  }
}
