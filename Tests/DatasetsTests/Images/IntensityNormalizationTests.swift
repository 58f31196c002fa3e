// The normalisation of intensities.

import Datasets
import Files
import Foundation
import Imaging
import Testing

@Suite struct IntensityNormalizationTests {
  @Test func eachChannelGetsMeanZeroAndDeviationOne() throws {
    let image = Image.colour(
      width: 2, [[0, 10, 200], [50, 20, 200], [100, 30, 200], [250, 44, 200]])
    let values = try IntensityNormalization().normalized(image, path: "a")
    for channel in 0..<2 {
      let own = stride(from: channel, to: values.count, by: 3).map { Double(values[$0]) }
      #expect(abs(own.reduce(0, +)) < 1e-6)
      #expect(abs(own.reduce(0) { $0 + $1 * $1 } / 4 - 1) < 1e-6)
      #expect(own == own.sorted())
    }
    #expect(stride(from: 2, to: 12, by: 3).allSatisfy { values[$0] == 0 })
  }

  @Test(arguments: [0, 0.1, 1, 1e-20, 1e9, -3.3] as [Float])
  func aConstantImageBecomesZeros(_ value: Float) throws {
    let image = floats([Float](repeating: value, count: 9973))
    let pixels = try IntensityNormalization().normalized(image, path: "a")
    #expect(pixels.count == 9973 && pixels.allSatisfy { $0 == 0 })
  }

  @Test func dimImagesKeepTheirContrast() throws {
    let pixels = try IntensityNormalization().normalized(
      floats([1e-5, 2e-5, 3e-5, 4e-5]), path: "a")
    #expect(abs(pixels[3] - 1.3416) < 1e-3)
  }

  private func floats(_ values: [Float]) -> Image {
    Image(
      width: values.count, height: 1, channels: 1, bitsPerSample: 32, samples: .float32(values))
  }

  @Test func missingSamplesBecomeTheMean() throws {
    let rules: [(IntensityNormalization, [Float])] = [
      (IntensityNormalization(missingValue: -9), [-1, 0, 1, 0]),
      (IntensityNormalization(rule: .percentiles, missingValue: -9), [-1, 0, 1, 0]),
      (IntensityNormalization(rule: .unchanged, missingValue: -9), [2, 4, 6, 4]),
    ]
    for (rule, expected) in rules {
      let values = try rule.normalized(floats([2, .nan, 6, -9]), path: "a")
      #expect(values.count == 4)
      #expect(zip(values, expected).allSatisfy { abs($0 - $1) < 1e-5 }, "\(rule.rule) \(values)")
    }
    // The value that the file names counts without an option, and of integers too.
    var image = Image(
      width: 3, height: 1, channels: 1, bitsPerSample: 8, samples: .uint8([0, 51, 153]))
    image.missing.value = 0
    #expect(
      try IntensityNormalization(rule: .unchanged).normalized(image, path: "a") == [0.4, 0.2, 0.6])
    image.missing.value = 0.5
    #expect(image.missingPixels(nil) == nil && image.missingPixels(153) == [false, false, true])
    // Nothing but missing samples is nothing.
    #expect(try IntensityNormalization().normalized(floats([.nan, .nan]), path: "a") == [0, 0])
  }

  @Test func missingPixelsAreNeitherLearntNorScored() throws {
    let mask = Image.grey([[0, 1, 1]])
    let dataset = try Dataset(
      [("a", floats([1, .nan, 3]), mask)], mapping: ClassMapping(scanning: [("m", mask)]))
    #expect(try dataset.image(0).labels == [0, 255, 1])
    #expect(try dataset.image(0).pixels == [-1, 0, 1])
  }

  @Test func percentilesTakeOutliersBack() throws {
    let bounds = try #require(IntensityNormalization.Bounds(low: 10, high: 90))
    let rule = IntensityNormalization(rule: .percentiles, bounds: bounds)
    // Ranks 1 and 9 of 0...10.
    let values = try rule.normalized(
      floats([-500, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1000]), path: "a")
    let same = try IntensityNormalization().normalized(
      floats([1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]), path: "a")
    #expect(values == same)
  }

  @Test func fixedBoundsAreStoredValues() throws {
    let bounds = try #require(IntensityNormalization.Bounds(low: 100, high: 300))
    let rule = IntensityNormalization(rule: .unchanged, bounds: bounds)
    let wide = Image(
      width: 3, height: 1, channels: 1, bitsPerSample: 16, samples: .uint16([100, 200, 300]))
    let values = try rule.normalized(wide, path: "a")
    #expect(zip(values, [0, 0.5, 1] as [Float]).allSatisfy { abs($0 - $1) < 1e-5 }, "\(values)")
    #expect(try rule.normalized(floats([100, 500]), path: "a") == [0, 2])
    for (low, high) in [(1.0, 1.0), (2, 1), (0, .infinity), (.nan, 1)] {
      #expect(IntensityNormalization.Bounds(low: low, high: high) == nil)
    }
  }

  @Test func theSetHasOneScale() throws {
    let folder = try TemporaryFolder()
    for (name, rows) in [("a", [[0, 102]]), ("b", [[51, 51]])] as [(String, [[UInt8]])] {
      try folder.grey("images/\(name).png", rows)
      try folder.grey("masks/\(name).png", [[0, 1]])
    }
    let unfitted = IntensityNormalization(rule: .set)
    let index = try SampleIndex.folder(
      folder.path, Decoding(DecodedForm(normalization: unfitted)))
    let rule = unfitted.fitted(to: index, ids: [0, 1])
    // Images that are validated on have no part in it.
    #expect(unfitted.fitted(to: index, ids: [0]) != rule)
    let dataset = try Dataset(
      index, mapping: ClassMapping(scanning: index), normalization: rule)
    // Mean 0.2, variance 0.04 / 2.
    let root = Float(2).squareRoot()
    #expect(zip(try dataset.image(0).pixels, [-root, root]).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(try dataset.image(1).pixels.allSatisfy { abs($0) < 1e-5 })
    let again = try JSONDecoder().decode(
      IntensityNormalization.self, from: JSONEncoder().encode(rule))
    #expect(again == rule)
    let colour = Image.colour(width: 1, [[1, 2, 3]])
    let error = #expect(throws: FileError.self) { try rule.normalized(colour, path: "c") }
    #expect(error?.kind == .channelsDiffer)
    let infinite = #expect(throws: FileError.self) {
      try rule.normalized(floats([0, .infinity]), path: "i")
    }
    #expect(infinite?.kind == .nonFiniteSamples)
  }

  @Test(arguments: [Float.infinity, -.infinity])
  func samplesThatAreNotFiniteAreNamed(_ value: Float) {
    let image = Image(
      width: 2, height: 1, channels: 1, bitsPerSample: 32, samples: .float32([0, value]))
    for rule in IntensityNormalization.Rule.allCases where rule != .set {
      let error = #expect(throws: FileError.self) {
        try IntensityNormalization(rule: rule).normalized(image, path: "a.tif")
      }
      #expect(error?.kind == .nonFiniteSamples && error?.path == "a.tif")
    }
  }

  @Test func theRuleSurvivesCoding() throws {
    let rule = IntensityNormalization()
    let data = try JSONEncoder().encode(rule)
    #expect(try JSONDecoder().decode(IntensityNormalization.self, from: data) == rule)
  }
}
