// Pixels without a measurement, and masks with values that are no data: what a set makes of them.

import Datasets
import Files
import Foundation
import Imaging
import Testing

@Suite struct MissingSamplesTests {
  private func floats(_ values: [Float]) -> Image {
    Image(
      width: values.count, height: 1, channels: 1, bitsPerSample: 32, samples: .float32(values))
  }

  private func labels(_ folder: TemporaryFolder, missingValue: Double? = nil) throws -> [UInt8] {
    let form = DecodedForm(normalization: IntensityNormalization(missingValue: missingValue))
    let index = try read(folder, decoding: Decoding(form))
    return try Dataset(index, mapping: ClassMapping(scanning: index)).image(0).labels
  }

  /// A value that JSON cannot hold is kept all the same.
  @Test(arguments: [("nan", [0, 255, 1, 1]), ("inf", [0, 255, 255, 1]), ("1e9", [0, 255, 1, 1])])
  func filesNameAnyNumber(_ noData: String, _ expected: [UInt8]) throws {
    let folder = try TemporaryFolder()
    let third: Float = noData == "inf" ? .infinity : 3
    try folder.tiff("images/a.tif", floats([1, .nan, third, 4]), noData: noData)
    try folder.grey("masks/a.png", [[0, 0, 1, 1]])
    #expect(try labels(folder) == expected)
  }

  @Test func pixelsWithoutAMeasurementAreOfNoClass() throws {
    let folder = try TemporaryFolder()
    try folder.tiff("images/a.tif", .grey([[9, 9, 1, 2, 3, 4]]), noData: "9")
    // The value 7 is nowhere else.
    try folder.grey("masks/a.png", [[7, 0, 0, 0, 1, 1]])
    let index = try read(folder)
    let mapping = try ClassMapping(scanning: index)
    #expect(mapping.values == [0, 1].map { MaskValue(grey: $0) })
    #expect(mapping.classes.map(\.pixelCount) == [2, 2])
    #expect(
      index.notes.contains(
        "no measurement: 33.33 % of the pixels, which are neither learnt nor scored"))
    let dataset = try Dataset(index, mapping: mapping)
    #expect(try dataset.image(0).labels == [255, 255, 0, 0, 1, 1])
    try folder.tiff("images/a.tif", .grey([[9, 9, 9, 9, 9, 9]]), noData: "9")
    let error = #expect(throws: FileError.self) { try ClassMapping(scanning: read(folder)) }
    #expect(error?.found == "nothing but pixels that are ignored or hold no measurement")
  }

  @Test func aColourIsMissingAsAWhole() throws {
    let image = Image.colour(width: 3, [[0, 0, 0], [0, 200, 0], [1, 2, 3]])
    let folder = try TemporaryFolder()
    try folder.tiff("images/a.tif", image, noData: "0")
    try folder.grey("masks/a.png", [[0, 0, 1]])
    #expect(try labels(folder) == [255, 0, 1])
    // A value that is asked for is looked for in the same way.
    #expect(image.missingPixels(0) == [true, false, false])
    let measured = Image(
      width: 2, height: 1, channels: 2, bitsPerSample: 8, samples: .uint8([0, 5, 6, 7]))
    #expect(measured.missingPixels(0) == [true, false])
    let bands = Image(
      width: 2, height: 1, channels: 3, bitsPerSample: 32,
      samples: .float32([1, 2, -9, 4, 5, 6]))
    #expect(bands.missingPixels(-9) == [true, false])
  }

  /// Each file of a channel has a value of its own, of whatever type.
  @Test(arguments: [false, true])
  func channelsInFilesHaveTheirOwnValues(_ isWide: Bool) throws {
    let folder = try TemporaryFolder()
    let json =
      #"{"channel_names": {"0": "a", "1": "b"}, "file_ending": ".tif", "#
      + #""labels": {"x": 0, "y": 1}}"#
    try folder.text("dataset.json", json)
    let wide = Image(
      width: 4, height: 1, channels: 1, bitsPerSample: 16, samples: .uint16([10, 200, 30, 40]))
    try folder.tiff(
      "imagesTr/c_0000.tif", isWide ? wide : .grey([[10, 200, 30, 40]]), noData: "200")
    try folder.tiff("imagesTr/c_0001.tif", .grey([[1, 2, 200, 7]]), noData: "7")
    try folder.tiff("labelsTr/c.tif", pages: [[[0, 0, 1, 1]]])
    #expect(try labels(folder) == [0, 255, 1, 255])
    // One that is asked for is of every file, and not of what samples have become.
    #expect(try labels(folder, missingValue: 200) == [0, 255, 255, 255])
    // The mask's 0 is then of no pixel, and of no class.
    #expect(try labels(folder, missingValue: 1) == [255, 255, 0, 255])
  }

  // MARK: Masks

  @Test func whatAMaskCallsNoDataIsUnlabelled() throws {
    let folder = try TemporaryFolder()
    try folder.grey("images/a.png", [[1, 2, 3, 4]])
    try folder.tiff("masks/a.tif", .grey([[0, 1, 99, 0]]), noData: "99")
    let index = try read(folder)
    let mapping = try ClassMapping(scanning: index)
    #expect(mapping.values == [0, 1].map { MaskValue(grey: $0) })
    #expect(
      mapping.warnings == [
        "the value 99 is no data by the masks' files: 25.00 % of the pixels count as unlabelled; if it "
          + "is a class, name it in classes.json"
      ])
    #expect(try Dataset(index, mapping: mapping).image(0).labels == [0, 1, 255, 0])
    // Other masks have it as a class.
    try folder.grey("images/b.png", [[1, 2, 3, 4]])
    try folder.grey("masks/b.png", [[99, 1, 0, 0]])
    #expect(try ClassMapping(scanning: read(folder)).classes.map(\.pixelCount) == [4, 2, 2])
  }

  @Test func aBackgroundThatIsCalledNoDataIsAClass() throws {
    let folder = try TemporaryFolder()
    try folder.grey("images/a.png", [[1, 2, 3, 4]])
    try folder.tiff("masks/a.tif", .grey([[0, 1, 1, 0]]), noData: "0")
    let index = try read(folder)
    let mapping = try ClassMapping(scanning: index)
    #expect(mapping.classes.map(\.pixelCount) == [2, 2] && mapping.warnings.isEmpty)
    #expect(try Dataset(index, mapping: mapping).image(0).labels == [0, 1, 1, 0])
    // So it is of three classes, and is told of, unless it has a name.
    try folder.tiff("masks/a.tif", .grey([[0, 1, 2, 0]]), noData: "0")
    let three = try ClassMapping(scanning: read(folder))
    #expect(three.count == 3)
    #expect(three.warnings.contains { $0.hasPrefix("the value 0 is no data by the masks' files") })
    try folder.text("classes.json", #"{"classes": [{"value": 0, "name": "background"}]}"#)
    let named = try ClassMapping(scanning: read(folder))
    #expect(named.count == 3 && !named.warnings.contains { $0.contains("no data") })
  }
}
