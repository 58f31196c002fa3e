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
  func aConstantImageBecomesZeros(_ value: Float) {
    var pixels = [Float](repeating: value, count: 9973)
    #expect(IntensityNormalization().apply(to: &pixels, channels: 1))
    #expect(pixels.allSatisfy { $0 == 0 })
  }

  @Test func dimImagesKeepTheirContrast() {
    var pixels: [Float] = [1e-5, 2e-5, 3e-5, 4e-5]
    #expect(IntensityNormalization().apply(to: &pixels, channels: 1))
    #expect(abs(pixels[3] - 1.3416) < 1e-3)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func samplesThatAreNotFiniteAreNamed(_ value: Float) {
    let image = Image(
      width: 2, height: 1, channels: 1, bitsPerSample: 32, samples: .float32([0, value]))
    for rule in IntensityNormalization.Rule.allCases {
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
