// Safetensors files: what is written is read again, by this program and by the library.

import Files
import Foundation
import TestSupport
import Testing

@Suite struct SafetensorsRoundTripTests {
  /// The library's own file, with other types and characters that need escapes.
  @Test func readsTheLibrarysFile() throws {
    let file = try Fixtures.read("foreign")
    #expect(file.metadata == ["note": "quotes \" and \\ and \u{E9}\u{4E16}\u{1F600} and\ttabs"])
    #expect(Set(file.names) == ["bytes", "empty", "floats", "integers", "scalar"])
    #expect(try file.floats(of: "floats") == [1.5, -2.25, 3e-38, 3.25e38, 0, -0.0])
    #expect(file.shape(of: "floats") == [2, 3])
    #expect(try file.bytes(of: "bytes") == [0, 1, 2, 3, 4])
    #expect(file.shape(of: "scalar") == [])
    #expect(try file.floats(of: "scalar") == [0.125])
    #expect(file.shape(of: "empty") == [0, 3])
    #expect(try file.floats(of: "empty") == [])
    #expect(file.shape(of: "absent") == nil)
  }

  /// The same contents give the same bytes as in the committed file, which
  /// `Scripts/make-fixtures.py --check Tests/Fixtures/own.safetensors` reads with the library.
  @Test func writesTheBytesThatTheLibraryReads() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/own.safetensors"
      try writeSample(to: path)
      let expected = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("own")))
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == expected)
    }
  }

  /// 1, -2, the largest and the smallest number of F16, infinity; halves of float32; and doubles.
  @Test func otherFloatsAreRounded() throws {
    let halves: [UInt16] = [0x3C00, 0xC000, 0x7BFF, 0x0001, 0x7C00]
    let upper: [UInt16] = [0x3F80, 0xC020]
    let doubles = [0.1, -1e300]
    let header =
      #"{"d":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},"h":{"dtype":"F16","shape":[5],"#
      + #""data_offsets":[16,26]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[26,30]}}"#
    let data = [
      doubles.withUnsafeBytes { Data($0) }, halves.withUnsafeBytes { Data($0) },
      upper.withUnsafeBytes { Data($0) },
    ].reduce(Data(), +)
    try withTemporaryFolder { folder in
      let path = "\(folder)/other.safetensors"
      try safetensorsBytes(header: Array(header.utf8), data: Array(data))
        .write(to: URL(fileURLWithPath: path))
      let file = try SafetensorsFile.read(path)
      #expect(try file.roundedFloats(of: "h") == [1, -2, 65_504, 0x1p-24, .infinity])
      #expect(try file.roundedFloats(of: "b") == [1, -2.5])
      #expect(try file.roundedFloats(of: "d") == [0.1, -.infinity])
      // Who asks for float32 gets nothing else.
      #expect(throws: FileError.self) { try file.floats(of: "h") }
      #expect(throws: FileError.self) { try file.roundedFloats(of: "absent") }
    }
  }

  @Test func readsWhatItWrote() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/own.safetensors"
      try writeSample(to: path)
      let file = try SafetensorsFile.read(path, requireChecksum: true)
      #expect(file.path == path)
      #expect(file.names == ["step", "down.0.conv1.weight", "down.0.conv1.bias", "mask"])
      #expect(file.shape(of: "down.0.conv1.weight") == [2, 1, 1, 3])
      let weights = try file.floats(of: "down.0.conv1.weight")
      #expect(weights.map(\.bitPattern) == sampleWeights.map(\.bitPattern))
      #expect(try file.floats(of: "down.0.conv1.bias").reduce(0, +) == 0.75)
      #expect(try file.bytes(of: "mask") == [0, 255, 1])
      var metadata = file.metadata
      let checksum = try #require(metadata["checksum"])
      metadata["checksum"] = nil
      #expect(checksum.hasPrefix("sha256:") && checksum.utf8.count == 7 + 64)
      #expect(metadata == sampleMetadata)
    }
  }

  @Test func wrongNamesAndTypesAreErrors() throws {
    let file = try Fixtures.read("foreign")
    for (name, word) in [("absent", "none of that name"), ("bytes", "type U8")] {
      let error = #expect(throws: FileError.self) { try file.floats(of: name) }
      #expect(error?.kind == .unsuitableTensor)
      #expect(error?.description.contains(word) == true)
    }
    #expect(throws: FileError.self) { try file.bytes(of: "floats") }
  }

  /// A foreign file may put four-byte values at an odd place.
  @Test func valuesWithoutAlignmentAreRead() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/odd.safetensors"
      let header =
        #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
        + #""b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}"#
      try safetensorsBytes(header: header, data: [9, 0, 0, 128, 63, 0, 0, 0, 64]).write(to: path)
      let file = try SafetensorsFile.read(path)
      #expect(try file.floats(of: "b") == [1, 2])
    }
  }

  @Test func anEmptyFileOfTensorsIsAFile() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/empty.safetensors"
      try SafetensorsFile.write([], metadata: ["checksum": "is replaced"], to: path)
      let file = try SafetensorsFile.read(path, requireChecksum: true)
      #expect(file.names.isEmpty)
      #expect(Array(file.metadata.keys) == ["checksum"])
      try safetensorsBytes(header: "{}", data: []).write(to: path)
      #expect(try SafetensorsFile.read(path).names.isEmpty)
      let error = #expect(throws: FileError.self) {
        try SafetensorsFile.read(path, requireChecksum: true)
      }
      #expect(error?.kind == .withoutChecksum)
    }
  }

  /// Larger than the pieces that are read and written at once, and no multiple of them.
  @Test func manyPieces() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/large.safetensors"
      let values = repeatableValues(count: 1_000_003, seed: 3)
      try values.withUnsafeBufferPointer { values in
        try SafetensorsFile.write(
          [.init(name: "large", shape: [values.count], values: values)], metadata: [:], to: path)
      }
      let file = try SafetensorsFile.read(path, requireChecksum: true)
      #expect(try file.floats(of: "large") == values)
    }
  }

  @Test(arguments: [
    ("", [1]), ("a b", [1]), ("__metadata__", [1, 2]), ("\u{E9}", [1]), ("a", [2]),
    ("a", [-1, -1]), ("a", [1 << 32, 1 << 32, 0]), (String(repeating: "a", count: 129), [1]),
  ])
  func unwritableEntriesAreErrors(name: String, shape: [Int]) throws {
    try withTemporaryFolder { folder in
      let values: [Float] = [1]
      let error = #expect(throws: FileError.self) {
        try values.withUnsafeBufferPointer { values in
          try SafetensorsFile.write(
            [.init(name: name, shape: shape, values: values)], metadata: [:],
            to: "\(folder)/bad.safetensors")
        }
      }
      #expect(error?.kind == .unwritable)
      let left = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(left.isEmpty)
    }
  }

  @Test func aNameTwiceIsAnError() throws {
    let values: [Float] = [1]
    #expect(throws: FileError.self) {
      try values.withUnsafeBufferPointer { values in
        let entry = SafetensorsFile.Entry(name: "a", shape: [1], values: values)
        try SafetensorsFile.write([entry, entry], metadata: [:], to: "/nowhere/bad.safetensors")
      }
    }
  }
}
