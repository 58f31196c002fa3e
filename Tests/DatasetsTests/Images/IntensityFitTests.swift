// The transform of an image that is seen in bands of rows.

import Datasets
import Files
import Foundation
import Imaging
import Testing

@Suite struct IntensityFitTests {
  /// Rows of an image.
  private func band(_ image: Image, _ rows: Range<Int>) -> Image {
    let line = image.width * image.channels
    let range = rows.lowerBound * line..<rows.upperBound * line
    let samples: Image.Samples =
      switch image.samples {
      case .uint8(let values): .uint8(Array(values[range]))
      case .uint16(let values): .uint16(Array(values[range]))
      case .int16(let values): .int16(Array(values[range]))
      case .float32(let values): .float32(Array(values[range]))
      default: preconditionFailure("another type")
      }
    var part = Image(
      width: image.width, height: rows.count, channels: image.channels,
      bitsPerSample: image.bitsPerSample, samples: samples)
    part.missing = image.missing
    return part
  }

  /// Images of 7 x 11 with outliers, of all kinds of samples.
  private func images(channels: Int) -> [Image] {
    let count = 7 * 11 * channels
    let numbers = (0..<count).map { ($0 * 7919 + $0 * $0 * 31) % 251 }
    func image(_ bits: Int, _ samples: Image.Samples) -> Image {
      Image(width: 7, height: 11, channels: channels, bitsPerSample: bits, samples: samples)
    }
    var missing = image(8, .uint8(numbers.map { UInt8($0) }))
    missing.missing.value = Double(numbers[5])
    return [
      image(8, .uint8(numbers.map { UInt8($0) })), missing,
      image(12, .uint16(numbers.map { UInt16($0 * 16) })),
      image(16, .int16(numbers.map { Int16($0 * 200 - 25_000) })),
      image(
        32,
        .float32(
          numbers.enumerated().map { $0 == 13 ? .nan : Float($1 - 100) * ($0 == 3 ? 1e6 : 0.37) })),
    ]
  }

  private var rules: [IntensityNormalization] {
    IntensityNormalization.Rule.allCases.filter { $0 != .set }.map {
      IntensityNormalization(rule: $0)
    } + [
      IntensityNormalization(
        rule: .unchanged, bounds: IntensityNormalization.Bounds(low: 3, high: 70)),
      IntensityNormalization(missingValue: 17),
    ]
  }

  @Test(arguments: [1, 3, 5]) func bandsGiveTheBitsOfTheWhole(_ channels: Int) throws {
    for image in images(channels: channels) {
      for rule in rules {
        let whole = try rule.normalized(image, path: "a")
        #expect(whole.count == 77 * channels && whole.allSatisfy(\.isFinite))
        for rows in [1, 4, 10] {
          let bands = stride(from: 0, to: 11, by: rows).map {
            band(image, $0..<min(11, $0 + rows))
          }
          var fit = try IntensityFit(rule, channels: channels, path: "a")
          while fit.needsPass {
            for band in bands { try fit.add(band) }
            fit.endPass()
          }
          #expect(bands.flatMap { fit.transform.inputs(of: $0) } == whole, "\(rule)")
          let stored = try JSONDecoder().decode(
            IntensityTransform.self, from: JSONEncoder().encode(fit.transform))
          #expect(stored == fit.transform)
        }
      }
    }
  }

  /// Samples of one byte are counted by their values, wider ones added one by one.
  @Test(arguments: [1, 3]) func bytesAreFittedAsWiderSamplesAre(_ channels: Int) throws {
    for bytes in images(channels: channels).prefix(2) {
      guard case .uint8(let values) = bytes.samples else { preconditionFailure("no bytes") }
      var wide = Image(
        width: bytes.width, height: bytes.height, channels: channels, bitsPerSample: 8,
        samples: .uint16(values.map { UInt16($0) }))
      wide.missing = bytes.missing
      for rule in rules {
        let (found, expected) = (
          try rule.normalized(bytes, path: "a"), try rule.normalized(wide, path: "a")
        )
        #expect(found.count == expected.count)
        for (one, other) in zip(found, expected) {
          #expect(abs(one - other) <= 1e-6 * max(1, abs(other)), "\(rule)")
        }
      }
    }
  }

  /// Against sorting: the k-th number, and half-way between two.
  @Test func percentilesAreThoseOfSortedNumbers() throws {
    let numbers = (0..<101).map { Float(($0 * 37) % 101 - 50) * 0.3 }
    let image = Image(
      width: 101, height: 1, channels: 1, bitsPerSample: 32, samples: .float32(numbers))
    for (low, high) in [(0.0, 100.0), (3, 97), (12.5, 50), (0.5, 99.5)] {
      let bounds = try #require(IntensityNormalization.Bounds(low: low, high: high))
      let sorted = numbers.sorted()
      func percentile(_ percent: Double) -> Float {
        let (below, part) = (Int(percent), percent - Double(Int(percent)))
        return Float(
          Double(sorted[below]) * (1 - part) + Double(sorted[min(100, below + 1)]) * part)
      }
      let clipped = numbers.map { max(percentile(low), min(percentile(high), $0)) }
      let expected = try IntensityNormalization().normalized(
        Image(width: 101, height: 1, channels: 1, bitsPerSample: 32, samples: .float32(clipped)),
        path: "a")
      let found = try IntensityNormalization(rule: .percentiles, bounds: bounds)
        .normalized(image, path: "a")
      #expect(found == expected, "\(low) to \(high)")
    }
  }
}
