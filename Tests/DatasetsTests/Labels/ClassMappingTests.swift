// Mask values, classes and their names.

import Datasets
import Files
import Foundation
import Imaging
import Testing

@Suite struct ClassMappingTests {
  @Test func valuesAreSortedAndCounted() throws {
    let mapping = try ClassMapping(scanning: [
      ("a", .grey([[255, 0], [7, 7]])), ("b", .grey([[0, 0, 0, 255]])),
    ])
    #expect(mapping.values == [0, 7, 255].map { MaskValue(grey: $0) })
    #expect(mapping.classes.map(\.pixelCount) == [4, 2, 2])
    #expect(mapping.shares == [0.5, 0.25, 0.25])
    #expect(mapping.names == ["value 0", "value 7", "value 255"])
    #expect(mapping.table.split(separator: "\n").count == 4)
    #expect(mapping.table.contains("50.00 %"))
    #expect(try mapping.labels(of: .grey([[7, 255, 0]]), path: "c") == [1, 2, 0])
  }

  @Test func coloursCountAsThemselvesAndEqualPartsAsGrey() throws {
    let mask = Image.colour(width: 2, [[0, 0, 0], [255, 0, 0], [9, 9, 9], [0, 0, 255]])
    let mapping = try ClassMapping(scanning: [("a", mask)])
    #expect(mapping.values.map(\.description) == ["0", "(0, 0, 255)", "9", "(255, 0, 0)"])
    #expect(try mapping.labels(of: mask, path: "a") == [0, 3, 2, 1])
    #expect(try mapping.labels(of: .grey([[9, 0]]), path: "b") == [2, 0])
  }

  @Test func wideSamplesAreMaskValuesToo() throws {
    let wide = Image(
      width: 2, height: 1, channels: 1, bitsPerSample: 16, samples: .uint16([65535, 300]))
    let float = Image(
      width: 2, height: 1, channels: 1, bitsPerSample: 32, samples: .float32([300, 65535]))
    let mapping = try ClassMapping(scanning: [("a", wide)])
    #expect(mapping.values == [300, 65535].map { MaskValue(grey: $0) })
    #expect(try mapping.labels(of: float, path: "b") == [0, 1])
    for bad in [0.5, -3e9, .nan, .infinity, 5e9] as [Float] {
      let mask = Image(
        width: 2, height: 1, channels: 1, bitsPerSample: 32, samples: .float32([0, bad]))
      let error = #expect(throws: FileError.self) {
        try ClassMapping(scanning: [("soft.tif", mask)])
      }
      #expect(error?.kind == .unknownValue && error?.path == "soft.tif")
      #expect(error?.found.hasSuffix("x 1, y 0") == true)
    }
  }

  @Test func aMaskOfLabelsHasTheValuesOfItsClasses() throws {
    let wide = Image(
      width: 2, height: 1, channels: 1, bitsPerSample: 16, samples: .uint16([65535, 300]))
    let colours = Image.colour(width: 2, [[0, 0, 0], [255, 0, 0], [9, 9, 9], [0, 0, 255]])
    let labels: [UInt8] = [1, 0, 0, 1, 1, 1]
    let grey = try ClassMapping(scanning: [("a", .grey([[0, 255]]))])
    #expect(grey.mask(of: labels, width: 3, height: 2) == .grey([[255, 0, 0], [255, 255, 255]]))
    let wideMask = try ClassMapping(scanning: [("a", wide)]).mask(of: labels, width: 2, height: 3)
    #expect(wideMask.bitsPerSample == 16)
    #expect(wideMask.samples == .uint16([65535, 300, 300, 65535, 65535, 65535]))
    let mapping = try ClassMapping(scanning: [("a", colours)])
    let mask = mapping.mask(of: [0, 3, 2, 1], width: 2, height: 2)
    #expect(mask.samples == colours.samples && mask.channels == 3)
    // What is read back are the labels, also from a file.
    let folder = try TemporaryFolder()
    for (mapping, labels, width) in [
      (mapping, [3, 2, 1, 0, 0, 1] as [UInt8], 2), (grey, labels, 3),
      (try ClassMapping(scanning: [("a", wide)]), labels, 1),
    ] {
      let path = try folder.place("mask.png")
      try PNGFile.write(mapping.mask(of: labels, width: width, height: 6 / width), to: path)
      #expect(try mapping.labels(of: ImageFile.read(path, as: .mask), path: path) == labels)
    }
  }

  @Test func tooManyValuesNameTheFile() throws {
    let smooth = Image(
      width: 256, height: 1, channels: 1, bitsPerSample: 16, samples: .uint16(Array(0..<256)))
    let error = #expect(throws: FileError.self) {
      try ClassMapping(scanning: [("good.png", .grey([[0]])), ("photo.jpg", smooth)])
    }
    #expect(error?.kind == .tooManyValues && error?.path == "photo.jpg")
    #expect(error?.hint?.contains("JPEG") == true)
    let limit = Image(
      width: 255, height: 1, channels: 1, bitsPerSample: 16, samples: .uint16(Array(0..<255)))
    let most = try ClassMapping(scanning: [("limit", limit)])
    #expect(most.count == 255 && most.warnings.count == 1)
    #expect(try ClassMapping(scanning: [("good.png", .grey([[0, 1]]))]).warnings.isEmpty)
  }

  @Test func anUnknownValueIsNamedWithItsPlace() throws {
    let mapping = try ClassMapping(scanning: [("a", .grey([[0, 255]]))])
    let error = #expect(throws: FileError.self) {
      try mapping.labels(of: .grey([[0, 0], [0, 128], [128, 3]]), path: "masks/b.png")
    }
    #expect(error?.kind == .unknownValue && error?.path == "masks/b.png")
    #expect(error?.expected.contains("0, 255") == true)
    #expect(error?.found == "128 at x 1, y 1")
  }

  @Test func namesComeFromTheFileBesideTheImages() throws {
    let folder = try TemporaryFolder()
    try folder.grey("images/a.png")
    try folder.grey("masks/a.png", [[0, 2], [2, 5]])
    try folder.text(
      "classes.json",
      #"{"task": "x", "classes": [{"value": 0, "name": "ground", "note": 1}, "#
        + #"{"value": 2, "name": "cell"}, {"value": [1, 2, 3], "name": "blood"}]}"#)
    let mapping = try ClassMapping(scanning: SampleIndex.folder(folder.path))
    #expect(mapping.names == ["ground", "cell", "value 5"])
  }

  @Test func theFileMayNameAValueToIgnore() throws {
    let folder = try TemporaryFolder()
    try folder.grey("images/a.png")
    try folder.grey("masks/a.png", [[0, 2], [2, 255]])
    try folder.text(
      "classes.json", #"{"classes": [{"value": 2, "name": "cell"}], "ignore": 255}"#)
    let index = try SampleIndex.folder(folder.path)
    let mapping = try ClassMapping(scanning: index)
    #expect(mapping.names == ["value 0", "cell"] && mapping.ignored == MaskValue(grey: 255))
    #expect(mapping.ignoredPixelCount == 1)
    #expect(try Dataset(index, mapping: mapping).image(0).labels == [0, 1, 1, 255])
    // What is asked for goes before.
    let asked = try ClassMapping(scanning: index, ignoring: MaskValue(grey: 0))
    #expect(asked.names == ["cell", "value 255"])
  }

  @Test(arguments: [
    "{", "[]", "{}", #"{"classes": [{"value": 0}]}"#,
    #"{"classes": [{"value": 1, "name": "a"}], "ignore": 1}"#,
    #"{"classes": [{"value": 4294967296, "name": "a"}]}"#,
    #"{"classes": [{"value": [1, 2], "name": "a"}]}"#, #"{"classes": [{"value": 1, "name": 2}]}"#,
    #"{"classes": [{"value": 1, "name": "a"}, {"value": 1, "name": "b"}]}"#,
  ])
  func aBadFileOfNamesIsNamed(_ text: String) throws {
    let folder = try TemporaryFolder()
    try folder.grey("images/a.png")
    try folder.grey("masks/a.png")
    try folder.text("classes.json", text)
    let index = try SampleIndex.folder(folder.path)
    let error = #expect(throws: FileError.self) { try ClassMapping(scanning: index) }
    #expect(error?.kind == .invalidClassNames)
    #expect(error?.path.hasSuffix("classes.json") == true)
  }

  @Test func aMappingSurvivesCoding() throws {
    let mapping = try ClassMapping(
      scanning: [("a", .colour(width: 1, [[0, 0, 0], [1, 2, 3]]))], names: [MaskValue(grey: 0): "n"]
    )
    let data = try JSONEncoder().encode(mapping)
    #expect(try JSONDecoder().decode(ClassMapping.self, from: data) == mapping)
    for text in [
      #"{"classes": []}"#,
      #"{"classes": [{"value": 1, "pixelCount": 1}, {"value": 0, "pixelCount": 1}]}"#,
    ] {
      #expect(throws: DecodingError.self) {
        try JSONDecoder().decode(ClassMapping.self, from: Data(text.utf8))
      }
    }
  }

  @Test func anIgnoredValueIsOfNoClass() throws {
    let folder = try TemporaryFolder()
    let mask: [[UInt8]] = [[0, 7, 7, 255], [255, 255, 0, 7]]
    try folder.grey("images/a.png", mask)
    try folder.grey("masks/a.png", mask)
    let index = try SampleIndex.folder(folder.path)
    let mapping = try ClassMapping(scanning: index, ignoring: MaskValue(grey: 255))
    #expect(mapping.values == [0, 7].map { MaskValue(grey: $0) })
    #expect(mapping.ignoredPixelCount == 3 && mapping.shares == [0.4, 0.6])
    #expect(try mapping.labels(of: .grey(mask), path: "a") == [0, 1, 1, 255, 255, 255, 0, 1])

    let again = try JSONDecoder().decode(ClassMapping.self, from: JSONEncoder().encode(mapping))
    #expect(again.ignored == MaskValue(grey: 255) && again.values == mapping.values)
    // A mapping without one does not know the value.
    let other = try ClassMapping(scanning: [("b", .grey([[0, 7]]))])
    #expect(throws: FileError.self) { try other.labels(of: .grey(mask), path: "a") }

    let empty = try TemporaryFolder()
    try empty.grey("images/a.png", [[9, 9]])
    try empty.grey("masks/a.png", [[9, 9]])
    let error = #expect(throws: FileError.self) {
      try ClassMapping(
        scanning: try SampleIndex.folder(empty.path), ignoring: MaskValue(grey: 9))
    }
    #expect(error?.path.hasSuffix("masks/a.png") == true)
  }

  @Test(arguments: ["12", "0:0:255", "65535", "-1", "4294967295"])
  func valuesAreReadAsTheyAreWritten(_ text: String) {
    #expect(MaskValue(text: text)?.text == text)
    for wrong in ["", "-2147483649", "4294967296", "1:2", "1:2:3:4", "red", "1,2,3"] {
      #expect(MaskValue(text: wrong) == nil, "\(wrong)")
    }
  }
}
