// A value in a mask: what an annotator painted for a class.

import Files
import Imaging

/// A mask's value at a pixel: a grey value, or a colour.
///
/// A colour of three equal parts is the grey value of that part, so a grey mask saved as RGB means
/// the same. Values are ordered by red, then green, then blue, which orders grey values by size.
package struct MaskValue: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The three 16-bit parts, red highest.
  let packed: UInt64

  /// The red part, or the grey value.
  package var red: Int { Int(packed >> 32 & 0xFFFF) }
  /// The green part, or the grey value.
  package var green: Int { Int(packed >> 16 & 0xFFFF) }
  /// The blue part, or the grey value.
  package var blue: Int { Int(packed & 0xFFFF) }
  /// True when the three parts are equal.
  package var isGrey: Bool { red == green && green == blue }

  init(packed: UInt64) {
    self.packed = packed
  }

  /// A grey value in 0...65535.
  package init(grey: UInt16) {
    self.init(red: grey, green: grey, blue: grey)
  }

  /// A colour of parts in 0...65535.
  package init(red: UInt16, green: UInt16, blue: UInt16) {
    packed = UInt64(red) << 32 | UInt64(green) << 16 | UInt64(blue)
  }

  /// The value that a user writes as a number, or as three with colons between them: 255 or 255:0:0.
  package init?(text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let values = parts.compactMap { UInt16($0) }
    guard values.count == parts.count, [1, 3].contains(values.count) else { return nil }
    self.init(red: values[0], green: values[values.count / 2], blue: values[values.count - 1])
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

  /// The packed values of a mask's pixels in rows from the top.
  ///
  /// - Throws: `FileError` naming `path` for a floating-point sample that is no whole number in
  ///   0...65535.
  static func packedValues(of mask: Image, path: String) throws(FileError) -> [UInt64] {
    switch mask.samples {
    case .uint8(let samples):
      return packed(samples, channels: mask.channels)
    case .uint16(let samples):
      return packed(samples, channels: mask.channels)
    case .float32(let samples):
      var whole: [UInt16] = []
      whole.reserveCapacity(samples.count)
      for (index, sample) in samples.enumerated() {
        guard let value = UInt16(exactly: sample) else {
          let pixel = index / mask.channels
          throw FileError(
            .unknownValue, path: path, expected: "whole numbers in 0...65535 in a mask",
            found: "\(sample) at x \(pixel % mask.width), y \(pixel / mask.width)",
            hint: "save the mask as an 8-bit image with one value a class")
        }
        whole.append(value)
      }
      return packed(whole, channels: mask.channels)
    }
  }

  private static func packed<Sample: FixedWidthInteger & UnsignedInteger>(
    _ samples: [Sample], channels: Int
  ) -> [UInt64] {
    samples.withUnsafeBufferPointer { samples in
      if channels == 1 {
        return samples.map { UInt64($0) &* 0x1_0001_0001 }
      }
      return (0..<samples.count / 3).map { pixel in
        UInt64(samples[3 * pixel]) << 32 | UInt64(samples[3 * pixel + 1]) << 16
          | UInt64(samples[3 * pixel + 2])
      }
    }
  }
}

extension MaskValue: Codable {
  /// Reads a number, or a list of three numbers, each in 0...65535.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let grey = try? container.decode(UInt16.self) {
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
