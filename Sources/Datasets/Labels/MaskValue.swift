// A value in a mask: what an annotator painted for a class.

import Files
import Imaging

/// A mask's value at a pixel: a grey value, or a colour.
///
/// A colour of three equal parts is the grey value of that part, so a grey mask saved as RGB means
/// the same. Grey values have up to 32 bits, signed or not; parts of colours 16. Values are ordered by
/// red, then green, then blue, which orders grey values by size; grey values of more than 16 bits come
/// behind all colours, negative ones before.
package struct MaskValue: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// A negative grey value itself, the three 16-bit parts with red highest, or a grey value of more
  /// than 16 bits with this bit.
  let packed: Int64

  private static let wideBit: Int64 = 1 << 48

  /// The red part, or the grey value.
  package var red: Int { wideGrey ?? Int(packed >> 32 & 0xFFFF) }
  /// The green part, or the grey value.
  package var green: Int { wideGrey ?? Int(packed >> 16 & 0xFFFF) }
  /// The blue part, or the grey value.
  package var blue: Int { wideGrey ?? Int(packed & 0xFFFF) }
  /// True when the three parts are equal.
  package var isGrey: Bool { red == green && green == blue }

  /// A grey value outside 0...65535.
  private var wideGrey: Int? {
    packed < 0 ? Int(packed) : packed & Self.wideBit == 0 ? nil : Int(packed & 0xFFFF_FFFF)
  }

  init(packed: Int64) {
    self.packed = packed
  }

  /// The grey values there are: those of 32 bits, signed or not.
  package static let greys = Int(Int32.min)...Int(UInt32.max)

  /// A grey value.
  ///
  /// - Precondition: it is in `greys`.
  package init(grey: Int) {
    precondition(Self.greys.contains(grey), "the grey value \(grey)")
    packed = Self.packed(grey: Int64(grey))
  }

  private static func packed(grey: Int64) -> Int64 {
    switch grey {
    case ..<0: grey
    case ...0xFFFF: grey &* 0x1_0001_0001
    default: grey | wideBit
    }
  }

  /// A colour of parts in 0...65535.
  package init(red: UInt16, green: UInt16, blue: UInt16) {
    packed = Int64(red) << 32 | Int64(green) << 16 | Int64(blue)
  }

  /// The value that a user writes as a number, or as three with colons between them: 255 or 255:0:0.
  package init?(text: String) {
    if let grey = Int(text) {
      guard Self.greys.contains(grey) else { return nil }
      self.init(grey: grey)
      return
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let values = parts.compactMap { UInt16($0) }
    guard values.count == parts.count, values.count == 3 else { return nil }
    self.init(red: values[0], green: values[1], blue: values[2])
  }

  /// The value as a user writes it.
  package var text: String { isGrey ? "\(red)" : "\(red):\(green):\(blue)" }

  /// The grey value, or `(red, green, blue)`.
  package var description: String {
    isGrey ? "\(red)" : "(\(red), \(green), \(blue))"
  }

  /// The order by red, then green, then blue.
  package static func < (first: MaskValue, second: MaskValue) -> Bool {
    first.packed < second.packed
  }

  /// The packed values of the pixels of a mask, or of rows of it, in rows from the top.
  ///
  /// - Parameter top: the number of the first of these rows, for messages.
  /// - Throws: `FileError` naming `path` for a mask of two or more than three channels, a colour
  ///   beyond 16 bits, and a floating-point sample that is no whole number of 32 bits.
  static func packedValues(
    of mask: Image, path: String, top: Int = 0
  ) throws(FileError) -> [Int64] {
    guard mask.channels == 1 || mask.channels == 3 else {
      throw FileError(
        .channelsDiffer, path: path, expected: "a mask of one channel, or of three for colours",
        found: "\(mask.channels) channels", hint: "save the mask with one value a pixel")
    }
    return switch mask.samples {
    case .uint8(let samples): try packed(samples, of: mask, path: path, top: top)
    case .uint16(let samples): try packed(samples, of: mask, path: path, top: top)
    case .uint32(let samples): try packed(samples, of: mask, path: path, top: top)
    case .int8(let samples): try packed(samples, of: mask, path: path, top: top)
    case .int16(let samples): try packed(samples, of: mask, path: path, top: top)
    case .int32(let samples): try packed(samples, of: mask, path: path, top: top)
    case .float32(let samples):
      try packed(
        try whole(samples, of: mask, path: path, top: top), of: mask, path: path, top: top)
    }
  }

  /// The packed value that is no data by a mask's file, where that names one which masks can have.
  static func noData(of mask: Image) -> Int64? {
    guard let value = mask.missing.value, let grey = Int(exactly: value), greys.contains(grey)
    else { return nil }
    return MaskValue(grey: grey).packed
  }

  /// Floating-point samples as the whole numbers that they are.
  private static func whole(
    _ samples: [Float], of mask: Image, path: String, top: Int
  ) throws(FileError) -> [Int64] {
    var whole: [Int64] = []
    whole.reserveCapacity(samples.count)
    for (index, sample) in samples.enumerated() {
      guard let value = Int64(exactly: sample), greys.contains(Int(value)) else {
        let pixel = index / mask.channels
        throw FileError(
          .unknownValue, path: path, expected: "whole numbers of at most 32 bits in a mask",
          found: "\(sample) at x \(pixel % mask.width), y \(top + pixel / mask.width)",
          hint: "save the mask as an 8-bit image with one value a class")
      }
      whole.append(value)
    }
    return whole
  }

  private static func packed<Sample: FixedWidthInteger>(
    _ samples: [Sample], of mask: Image, path: String, top: Int
  ) throws(FileError) -> [Int64] {
    if mask.channels == 1 {
      // By pointers, which are vectors of instructions then.
      return [Int64](unsafeUninitializedCapacity: samples.count) { values, count in
        for place in samples.indices {
          values[place] = packed(grey: Int64(truncatingIfNeeded: samples[place]))
        }
        count = samples.count
      }
    }
    var values: [Int64] = []
    values.reserveCapacity(samples.count / 3)
    for start in stride(from: 0, to: samples.count, by: 3) {
      let (red, green, blue) = (samples[start], samples[start + 1], samples[start + 2])
      if red == green && green == blue {
        values.append(packed(grey: Int64(truncatingIfNeeded: red)))
        continue
      }
      guard let red = UInt16(exactly: red), let green = UInt16(exactly: green),
        let blue = UInt16(exactly: blue)
      else {
        throw FileError(
          .unknownValue, path: path, expected: "parts of colours in 0...65535",
          found: "others at x \(start / 3 % mask.width), y \(top + start / 3 / mask.width)",
          hint: "save the mask with one value a pixel")
      }
      values.append(MaskValue(red: red, green: green, blue: blue).packed)
    }
    return values
  }
}

extension MaskValue: Codable {
  /// Reads a number of 32 bits, or a list of three numbers, each in 0...65535.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let grey = try? container.decode(Int.self) {
      guard Self.greys.contains(grey) else {
        throw DecodingError.dataCorruptedError(
          in: container, debugDescription: "a value has 32 bits, found \(grey)")
      }
      self.init(grey: grey)
      return
    }
    let parts = try container.decode([UInt16].self)
    guard parts.count == 3 else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "a colour has 3 parts, found \(parts.count)")
    }
    self.init(red: parts[0], green: parts[1], blue: parts[2])
  }

  /// Writes a grey value as a number and a colour as a list of three.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if isGrey {
      try container.encode(red)
    } else {
      try container.encode([red, green, blue])
    }
  }
}
