// Samples of TIFF pages that are channels, alpha, or values of a mask.

import Files
import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct TIFFChannelsTests {
  /// The image of a file of one page.
  private func read(
    _ page: TIFFPage, as purpose: ImageFile.Purpose = .image
  ) throws -> Image {
    let folder = try ScratchFolder()
    return try ImageFile.read(
      try folder.file("a.tif", TIFFBytes.file([page])), as: purpose)
  }

  /// 3 x 2 pixels whose samples are 10 * pixel + channel.
  private func pixels(_ channels: Int) -> [UInt8] {
    (0..<6).flatMap { pixel in (0..<channels).map { UInt8(10 * pixel + $0) } }
  }

  private func planes(_ channels: Int) -> [[UInt8]] {
    (0..<channels).map { channel in (0..<6).map { UInt8(10 * $0 + channel) } }
  }

  /// What is kept of the channels, by photometric interpretation and ExtraSamples.
  @Test(
    arguments: [
      (1, 2, [0], [0, 1], false), (1, 2, nil, [0, 1], false), (1, 2, [1], [0], true),
      (1, 2, [2], [0], true), (1, 5, [0, 0, 0, 0], [0, 1, 2, 3, 4], false),
      (1, 5, nil, [0, 1, 2, 3, 4], false), (1, 4, [0, 2, 0], [0, 1, 3], true),
      (2, 4, [0], [0, 1, 2, 3], false), (2, 4, [1], [0, 1, 2], true),
      (2, 4, nil, [0, 1, 2], true), (2, 5, nil, [0, 1, 2, 3, 4], false),
      (2, 5, [0, 2], [0, 1, 2, 3], true), (2, 3, nil, [0, 1, 2], false),
    ] as [(Int, Int, [Int]?, [Int], Bool)])
  func extraSamples(
    photometric: Int, channels: Int, extra: [Int]?, kept: [Int], losesAlpha: Bool
  ) throws {
    let tags: [Int: TIFFValue] = extra.map { [338: .shorts($0)] } ?? [:]
    let expected = (0..<6).flatMap { pixel in kept.map { UInt8(10 * pixel + $0) } }
    for strips in [[pixels(channels)], planes(channels)] {
      let image = try read(
        TIFFPage(3, 2, channels: channels, photometric: photometric, strips: strips, tags))
      #expect(image.channels == kept.count)
      #expect(image.samples == .uint8(expected))
      #expect(image.hasLostAlpha == losesAlpha)
    }
  }

  /// The values of 12 bits as cameras pack them: two in three bytes.
  @Test func samplesBetweenEightAndSixteenBits() throws {
    let image = try read(
      TIFFPage(3, 1, bits: 12, strips: [[0xAB, 0xC1, 0x23, 0xFF, 0xF0]]))
    #expect(image.samples == .uint16([0xABC, 0x123, 0xFFF]) && image.bitsPerSample == 12)
    #expect(image.intensities()[2] == 1)
  }

  @Test func masksKeepTheirValues() throws {
    // Entries 1 and 2 have one colour, which is no reason to take them for one value.
    let palette = [0, 255, 255, 9] + [0, 0, 0, 9] + [0, 0, 0, 9]
    let bits = TIFFPage(
      4, 1, bits: 2, photometric: 3, strips: [[0b00_01_10_11]], [320: .shorts(palette)])
    #expect(try read(bits, as: .mask).samples == .uint8([0, 1, 2, 3]))
    #expect(
      try read(bits).samples == .uint8([0, 0, 0, 255, 0, 0, 255, 0, 0, 9, 9, 9]))

    let inverted = TIFFPage(8, 1, bits: 1, photometric: 0, strips: [[0b1010_0000]])
    #expect(try read(inverted, as: .mask).samples == .uint8([1, 0, 1, 0, 0, 0, 0, 0]))
    #expect(try read(inverted).samples == .uint8([0, 1, 0, 1, 1, 1, 1, 1]))
  }

  @Test func aGreyPaletteIsGrey() throws {
    let greys = (0..<256).map { (255 - $0) * 257 }
    let page = TIFFPage(
      2, 1, photometric: 3, strips: [[0, 250]], [320: .shorts(greys + greys + greys)])
    let image = try read(page)
    #expect(image.channels == 1 && image.samples == .uint8([255, 5]))
    #expect(try read(page, as: .mask).samples == .uint8([0, 250]))
  }

  @Test func theValueOfMissingSamplesIsKept() throws {
    let page = TIFFPage(grey: [[1, 2]], [42113: .text("-9999")])
    #expect(try read(page).missing.value == -9999)
    #expect(try read(TIFFPage(grey: [[1, 2]])).missing.value == nil)
    #expect(try read(TIFFPage(grey: [[1, 2]], [42113: .text("nothing")])).missing.value == nil)
    // What is not a number is missing without being named.
    #expect(try read(TIFFPage(grey: [[1, 2]], [42113: .text("nan")])).missing.value == nil)
    #expect(
      try read(TIFFPage(grey: [[1, 2]], [42113: .text("-inf")])).missing.value == -.infinity)
  }

  @Test(arguments: [("int8", 8), ("int16", 16), ("int32", 32), ("int64", 32)])
  func signedSamples(name: String, bits: Int) throws {
    let image = try ImageFile.read(Fixture.path("\(name).tif"))
    let expected = Fixture.integers(bits: 16).map { bits == 8 ? $0 >> 9 - 32 : $0 - 20000 }
    #expect(image.bitsPerSample == bits && image.channels == 1)
    let values: [Int]? =
      switch image.samples {
      case .int8(let values): values.map { Int($0) }
      case .int16(let values): values.map { Int($0) }
      case .int32(let values): values.map { Int($0) }
      default: nil
      }
    // 16 bits hold what is above their half as numbers below zero.
    #expect(values == expected.map { bits == 16 ? Int(Int16(truncatingIfNeeded: $0)) : $0 })
    #expect(image.intensities().map { Int($0) } == values)
  }

  @Test(arguments: ["uint32", "uint64"])
  func wideSamples(name: String) throws {
    let image = try ImageFile.read(Fixture.path("\(name).tif"))
    #expect(image.samples == .uint32(Fixture.integers(bits: 16).map { UInt32($0) }))
    #expect(image.intensities() == Fixture.integers(bits: 16).map { Float($0) })
  }

  @Test func halfSamples() throws {
    let image = try ImageFile.read(Fixture.path("float16.tif"))
    #expect(image.samples == .float32(Fixture.integers(bits: 8).map { Float($0) / 4 - 20 }))
    // Infinity, the least denormal, the least normal number, the largest, minus zero.
    let bits: [UInt8] = [0, 0x7C, 1, 0, 0, 4, 0xFF, 0x7B, 0, 0x80]
    let special = try read(TIFFPage(5, 1, bits: 16, strips: [bits], [339: .shorts([3])]))
    #expect(
      special.samples == .float32([.infinity, 0x1p-24, 0x1p-14, 65504, -0.0]))
  }

  @Test func valuesBeyondThirtyTwoBitsAreNamed() throws {
    let page = TIFFPage(
      1, 1, bits: 64, strips: [[0, 0, 0, 0, 1, 0, 0, 0]], [339: .shorts([1])])
    let error = #expect(throws: FileError.self) { try read(page) }
    #expect(error?.found.contains("beyond 32 bits") == true)
  }
}
