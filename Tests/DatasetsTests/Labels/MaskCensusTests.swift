// Masks whose values are no classes, and what is said of them.

import Datasets
import Files
import Imaging
import Testing

@Suite struct MaskCensusTests {
  /// A mask of 10 x 10 squares of 4 x 4 pixels, 6 apart, that take these values in turn; 0 between them.
  private func squares(_ values: [Int]) -> Image {
    var samples = [UInt16](repeating: 0, count: 60 * 60)
    for (number, value) in values.enumerated() {
      let (row, column) = (number / 10 * 6, number % 10 * 6)
      for y in row..<row + 4 {
        for x in column..<column + 4 { samples[y * 60 + x] = UInt16(value) }
      }
    }
    return Image(
      width: 60, height: 60, channels: 1, bitsPerSample: 16, samples: .uint16(samples))
  }

  private func warnings(
    _ masks: [Image], names: [MaskValue: String] = [:]
  ) throws -> [String] {
    let named = masks.enumerated().map { (name: "\($0.offset).png", mask: $0.element) }
    return try ClassMapping(scanning: named, names: names).warnings
  }

  @Test func numbersOfManyObjectsAreRefused() throws {
    let masks = [squares(Array(1...40)), squares(Array(1...25))]
    let error = #expect(throws: FileError.self) { try warnings(masks) }
    #expect(error?.kind == .numberedObjects && error?.path == "0.png")
    #expect(error?.found.contains("40 values of one piece each") == true)
    #expect(error?.hint?.contains("instances/") == true)
    // More of them than classes can be are told from noise.
    let many = (0..<3).map { part in squares((1...100).map { 100 * part + $0 }) }
    #expect(throws: FileError.self) { try warnings(many) }
    let late = #expect(throws: FileError.self) { try warnings(many) }
    #expect(late?.kind == .numberedObjects)
  }

  @Test func valuesThatHaveNamesAreClasses() throws {
    let names = Dictionary(
      uniqueKeysWithValues: (1...40).map { (MaskValue(grey: $0), "organ \($0)") })
    #expect(try warnings([squares(Array(1...40))], names: names).count == 1)
  }

  @Test func valuesOfSeveralPiecesAreClasses() throws {
    let twice = squares((1...40).flatMap { [$0, $0] })
    #expect(try warnings([twice]).first?.contains("40") == false)
    #expect(try warnings([twice]).count == 1)
  }

  @Test func numbersOfFewObjectsAreMentioned() throws {
    let told = try warnings([squares([1, 2, 3, 4]), squares([1, 2])])
    #expect(told.count == 1 && told[0].contains("look like numbers of objects"))
    // The same classes everywhere are no count.
    #expect(try warnings([squares([1, 2, 3, 4]), squares([1, 2, 3, 4])]).isEmpty)
    #expect(try warnings([squares([1, 2, 3, 4]), squares([2, 4])]).isEmpty)
    #expect(try warnings([squares([1, 2, 3, 4]), squares([1, 2, 1])]).isEmpty)
  }

  @Test func numbersOfFewObjectsAreMentionedWhateverTheyAre() throws {
    for masks in [
      [squares(Array(1...5))], [squares(Array(1...12))], [squares(Array(1...31))],
      [squares(Array(1...5)), squares(Array(1...5))],
      [squares(Array(1...5)), squares(Array(6...12))],
      [squares([1, 3, 5, 7, 9]), squares([1, 4, 7])], [squares([1, 2]), squares([3, 4])],
    ] {
      let told = try warnings(masks)
      #expect(told.count == 1 && told[0].contains("look like numbers of objects"), "\(told)")
    }
    // Classes of many pieces, and a few organs of one.
    for count in 3...6 {
      let classes = squares((0..<60).map { 1 + $0 % count })
      #expect(try warnings([classes]).isEmpty)
      #expect(try warnings([classes, squares(Array(1...count)), classes, classes]).isEmpty)
    }
    #expect(try warnings([squares([1, 2, 3])]).isEmpty)
    #expect(try warnings([Image](repeating: squares(Array(1...6)), count: 9)).isEmpty)
  }

  @Test func oneValueIsMentioned() throws {
    let told = try warnings([squares([]), squares([])])
    #expect(told.count == 1 && told[0].contains("one value 0"))
    #expect(try warnings([squares([]), squares([1])]).isEmpty)
  }

  @Test func oneAndTwoHundredFiftyFiveAreMentioned() throws {
    let told = try warnings([squares([1, 1]), squares([255]), squares([])])
    #expect(told.count == 1 && told[0].contains("0 and 255"))
    #expect(try warnings([squares([1, 255])]).isEmpty)
    #expect(try warnings([squares([1]), squares([254])]).isEmpty)
  }

  @Test func masksOnSeveralScalesAreMentioned() throws {
    for (masks, text) in [
      ([squares([1, 2]), squares([127, 255])], "0, 1 and 2, others of 0, 127 and 255"),
      ([squares([1, 2]), squares([1]), squares([128, 255])], "others of 0, 128 and 255"),
      ([squares([1]), squares([65_535])], "0 and 1, others of 0 and 65535"),
      ([squares([255]), squares([65_535])], "0 and 255, others of 0 and 65535"),
    ] {
      let told = try warnings(masks)
      #expect(told.contains { $0.contains(text) }, "\(told)")
    }
    #expect(try warnings([squares([1, 2]), squares([7, 9, 7])]).isEmpty)
  }

  @Test func valuesOfLossyCompressionAreMentioned() throws {
    var values = [UInt8](repeating: 0, count: 5000) + [UInt8](repeating: 255, count: 5000)
    #expect(try warnings([mask(values)]).isEmpty)
    values.replaceSubrange(4998..<5002, with: [1, 3, 252, 254])
    let told = try warnings([mask(values)])
    #expect(told.count == 1 && told[0].contains("6 values"))
    values.replaceSubrange(4998..<5002, with: [0, 1, 255, 254])
    #expect(try warnings([mask(values)]).count == 1)
    // Scaled with smoothing: steps between the ends.
    values.replaceSubrange(4998..<5002, with: [32, 96, 160, 224])
    #expect(try warnings([mask(values)]).count == 1)
    // Many classes and one that stands for no label, far from them.
    values.replaceSubrange(4998..<5002, with: [4, 7, 12, 18])
    #expect(try warnings([mask(values)]).isEmpty)
    // Rare classes that are numbered one by one are not next to both ends.
    #expect(try warnings([mask([UInt8](repeating: 0, count: 9990) + Array(1...10))]).isEmpty)
    // A file that is JPEG says it itself.
    let three = try ClassMapping(scanning: [("a.JPG", mask([0, 9, 200, 200]))]).warnings
    #expect(three.count == 1 && three[0].contains("JPEG"))
  }

  private func mask(_ values: [UInt8]) -> Image {
    Image(
      width: values.count, height: 1, channels: 1, bitsPerSample: 8, samples: .uint8(values))
  }

  // MARK: Values of all sizes

  @Test func valuesOfThirtyTwoBits() throws {
    let wide = Image(
      width: 4, height: 1, channels: 1, bitsPerSample: 32,
      samples: .uint32([70000, 0, .max, 5]))
    let mapping = try ClassMapping(scanning: [("a", wide)])
    #expect(mapping.values == [0, 5, 70000, 4_294_967_295].map { MaskValue(grey: $0) })
    #expect(try mapping.labels(of: wide, path: "a") == [2, 0, 3, 1])
    #expect(!mapping.areValuesStorable)
    #expect(mapping.values.map(\.text) == ["0", "5", "70000", "4294967295"])
    #expect(MaskValue(text: "70000") == mapping.values[2] && MaskValue(text: "4294967296") == nil)
  }

  @Test func valuesBelowZeroComeFirst() throws {
    let signed = Image(
      width: 4, height: 1, channels: 1, bitsPerSample: 16, samples: .int16([3, -1, 0, -300]))
    let mapping = try ClassMapping(scanning: [("a", signed)])
    #expect(mapping.values.map(\.description) == ["-300", "-1", "0", "3"])
    #expect(try mapping.labels(of: signed, path: "a") == [3, 1, 2, 0])
    #expect(MaskValue(text: "-1") == mapping.values[1] && mapping.values[1].isGrey)
    let float = Image(
      width: 2, height: 1, channels: 1, bitsPerSample: 32, samples: .float32([-1, 70000]))
    #expect(
      try ClassMapping(scanning: [("f", float)]).values == [
        MaskValue(grey: -1), MaskValue(grey: 70000),
      ])
  }

  @Test func masksOfOtherChannelsAreRefused() throws {
    let image = Image(
      width: 1, height: 1, channels: 2, bitsPerSample: 8, samples: .uint8([1, 2]))
    let error = #expect(throws: FileError.self) { try ClassMapping(scanning: [("a", image)]) }
    #expect(error?.found == "2 channels")
  }
}
