// Damaged and hostile safetensors files: each is one error that names the file, and none a crash.

import Files
import Foundation
import TestSupport
import Testing

@Suite struct SafetensorsDamageTests {
  @Test func everyTruncationIsFound() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/cut.safetensors"
      try writeSample(to: path)
      let whole = try Data(contentsOf: URL(fileURLWithPath: path))
      for count in 0..<whole.count {
        try whole.prefix(count).write(to: path)
        let error = #expect(throws: FileError.self) { try SafetensorsFile.read(path) }
        #expect(error?.kind == .malformed)
        #expect(error?.description.hasPrefix("\(path): expected ") == true)
        #expect(error?.description.contains("cut short") == true, "\(count) bytes")
      }
      try (whole + [0]).write(to: path)
      let error = #expect(throws: FileError.self) { try SafetensorsFile.read(path) }
      #expect(error?.description.contains("appended") == true)
    }
  }

  @Test func everyFlippedBitIsFound() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/flipped.safetensors"
      try writeSample(to: path)
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      let handle = try #require(FileHandle(forUpdatingAtPath: path))
      // Puts one byte into the file, which stays where it is.
      let replace = { (index: Int, byte: UInt8) in
        try handle.seek(toOffset: UInt64(index))
        try handle.write(contentsOf: [byte])
      }
      var undetected: [Int] = []
      for bit in 0..<bytes.count * 8 {
        try replace(bit / 8, bytes[bit / 8] ^ 1 << (bit % 8))
        do {
          _ = try SafetensorsFile.read(path, requireChecksum: true)
          undetected.append(bit)
        } catch {}
        try replace(bit / 8, bytes[bit / 8])
      }
      // The file is whole again, so each flip was found on its own.
      _ = try SafetensorsFile.read(path, requireChecksum: true)
      #expect(undetected.isEmpty)
    }
  }

  @Test func alteredValuesAreCalledAltered() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/altered.safetensors"
      try writeSample(to: path)
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      bytes[bytes.count - 1] ^= 1
      try bytes.write(to: path)
      let error = #expect(throws: FileError.self) { try SafetensorsFile.read(path) }
      #expect(error?.kind == .altered)
      #expect(error?.description.contains("altered") == true)
    }
  }

  /// Random damage to a file without a checksum: whatever comes out, nothing traps.
  @Test func randomDamageNeverTraps() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/fuzzed.safetensors"
      let whole = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("foreign")))
      let headerEnd = whole.count - 50
      let tokens = [
        "{", "}", "[", "]", "\"", "\\", "\\u", ",", ":", "-", "9", "99999999999999999999", "e",
        "\u{0}", " ", "F32", "shape", "__metadata__", "\\ud800", "null",
      ].map { Array($0.utf8) }
      let draws = repeatableValues(count: 12_000, seed: 17).map { (Double($0) + 1) / 2 }
      var accepted = 0
      for trial in 0..<2_000 {
        var bytes = Array(whole)
        let draw = Array(draws[trial * 6..<trial * 6 + 6])
        for edit in 0..<2 {
          let place = 8 + Int(draw[3 * edit] * Double(headerEnd - 8))
          let token = tokens[Int(draw[3 * edit + 1] * Double(tokens.count))]
          let length = Int(draw[3 * edit + 2] * 5)
          let end = min(bytes.count, place + length)
          bytes.replaceSubrange(min(place, end)..<end, with: token)
        }
        // Let every other header keep its length, so that the grammar is reached.
        if trial.isMultiple(of: 2) {
          let grown = bytes.count - whole.count
          let length = Int(whole[0]) + Int(whole[1]) << 8 + grown
          bytes[0] = UInt8(truncatingIfNeeded: length)
          bytes[1] = UInt8(truncatingIfNeeded: length >> 8)
        }
        try Data(bytes).write(to: path)
        do {
          let file = try SafetensorsFile.read(path)
          accepted += 1
          for name in file.names { _ = try? file.floats(of: name) }
        } catch {
          #expect(String(describing: error).hasPrefix("\(path): "))
        }
      }
      // Damage inside the note of the metadata leaves a well-formed file.
      #expect(accepted < 1_000)
    }
  }

  /// Headers that break one rule each, with the number of data bytes behind them and a word that
  /// the message must have.
  @Test(arguments: [
    ("", 0, "starts with {"),
    ("[]", 0, "starts with {"),
    (" {}", 0, "starts with {"),
    ("{", 0, "end of the header"),
    ("{}x", 0, "nothing after"),
    ("{}{}", 0, "nothing after"),
    ("{},", 0, "nothing after"),
    (#"{"a":1}"#, 0, "{"),
    (#"{"a":null}"#, 0, "{"),
    (#"{"a":{}}"#, 0, "quotes"),
    (#"{"a":[[[[[[[[[[[[]]]]]]]]]]]]}"#, 0, "{"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},}"#, 4, "quotes"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],}}"#, 4, "quotes"),
    (#"{"a":{"dtype":"F32","shape":[1,],"data_offsets":[0,4]}}"#, 4, "whole number"),
    (#"{'a':{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 4, "quotes"),
    (#"{"a":{"shape":[1],"data_offsets":[0,4]}}"#, 4, "less"),
    (#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, 4, "less"),
    (#"{"a":{"dtype":"F32","shape":[1]}}"#, 4, "less"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4]}}"#, 4, "less"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}"#, 4, "at most 2"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}"#, 4, "another key"),
    (#"{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 4, "twice"),
    (#"{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}"#, 4, "twice"),
    (#"{"a":{"dtype":"I16","shape":[2],"data_offsets":[0,4]}}"#, 4, "BF16, F64, I64 or U8"),
    (#"{"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}"#, 4, "BF16, F64, I64 or U8"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4, "8 bytes"),
    (#"{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,4]}}"#, 4, "0 bytes"),
    (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "not negative"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 4, "not negative"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "ascend"),
    (#"{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#, 4, "]"),
    (#"{"a":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}"#, 4, "]"),
    (#"{"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}"#, 4, "leading zeros"),
    (#"{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}"#, 4, "whole number"),
    (#"{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}"#, 4, "whole number"),
    (#"{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}"#, 4, "2^63"),
    (#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#, 0, "memory"),
    (#"{"a":{"dtype":"F32","shape":[2305843009213693953],"data_offsets":[0,4]}}"#, 4, "memory"),
    (
      #"{"a":{"dtype":"F32","shape":[2305843009213693951],"data_offsets":[0,9223372036854775804]}}"#,
      4, "cut short"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2305843009213693951],"data_offsets":"#
        + #"[3,9223372036854775807]}}"#, 4, "overlap"
    ),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 3, "cut short"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 5, "appended"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8, "overlap"),
    ("{}", 1, "appended"),
    (
      #"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"#
        + #""b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#, 4, "overlap"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
        + #""b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#, 4, "hole"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"#
        + #""b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}"#, 4, "overlap"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
        + #""a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#, 2, "twice"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
        + #""\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#, 2, "twice"
    ),
    (#"{"a b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 1, "letters"),
    (#"{"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 1, "letters"),
    (#"{"../a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 1, "letters"),
    (#"{"__metadata__":{"a":1}}"#, 0, "a string in the metadata"),
    (#"{"__metadata__":{"a":{"b":"c"}}}"#, 0, "a string in the metadata"),
    (#"{"__metadata__":{"a":"b","a":"c"}}"#, 0, "twice"),
    (#"{"__metadata__":{"a":"b"},"__metadata__":{"c":"d"}}"#, 0, "twice"),
    (#"{"__metadata__":[]}"#, 0, "{"),
    (#"{"__metadata__":{"a":"b}}"#, 0, "end with a quote"),
    (#"{"__metadata__":{"a":"\x"}}"#, 0, "JSON knows"),
    (#"{"__metadata__":{"a":"\u12g4"}}"#, 0, "hexadecimal"),
    (#"{"__metadata__":{"a":"\ud800"}}"#, 0, "surrogate"),
    (#"{"__metadata__":{"a":"\ud800\u0041"}}"#, 0, "surrogate"),
    (#"{"__metadata__":{"a":"\udc00"}}"#, 0, "surrogate"),
    ("{\"__metadata__\":{\"a\":\"line\nbreak\"}}", 0, "control"),
    (#"{"__metadata__":{"checksum":"sha256:00"}}"#, 0, "64 lower-case"),
    (#"{"__metadata__":{"checksum":"md5:0"}}"#, 0, "64 lower-case"),
  ])
  func hostileHeaders(header: String, dataByteCount: Int, word: String) throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/hostile.safetensors"
      let data = [UInt8](repeating: 0, count: dataByteCount)
      try safetensorsBytes(header: header, data: data).write(to: path)
      let error = #expect(throws: FileError.self) { try SafetensorsFile.read(path) }
      #expect(error?.kind == .malformed)
      let message = error?.description ?? ""
      #expect(message.contains(word) && message.hasPrefix("\(path): expected "), "\(message)")
      #expect(!message.contains("\n"))
    }
  }

  /// Bytes that are not UTF-8: a lone continuation, an overlong slash, half a surrogate pair.
  @Test(arguments: [
    [0x80], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82],
  ])
  func textThatIsNotUTF8(bytes: [UInt8]) throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/latin.safetensors"
      for (before, after) in [(#"{"__metadata__":{"a":""#, "\"}}"), (#"{""#, "\":{}}")] {
        let header = Array(before.utf8) + bytes + Array(after.utf8)
        try safetensorsBytes(header: header, data: []).write(to: path)
        let error = #expect(throws: FileError.self) { try SafetensorsFile.read(path) }
        #expect(error?.description.contains("UTF-8") == true)
      }
    }
  }

  /// A claimed header of any size costs nothing but an error.
  @Test(arguments: [UInt64(1), 100, 16 << 20 + 1, 1 << 40, 1 << 63, .max])
  func headerLengthsBeyondTheFile(length: UInt64) throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/length.safetensors"
      try withUnsafeBytes(of: length.littleEndian) { Data($0) }.write(to: path)
      let error = #expect(throws: FileError.self) { try SafetensorsFile.read(path) }
      #expect(error?.kind == .malformed)
    }
  }

  @Test func tooManyTensorsAndDeepNestingEndSoon() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/many.safetensors"
      let many = (0...65_536).map { #""t\#($0)":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"# }
      for (header, word) in [
        ("{" + many.joined(separator: ",") + "}", "at most 65536 tensors"),
        (String(repeating: "{\"a\":", count: 1_000_000), "dtype, shape and data_offsets"),
        ("{\"a\":" + String(repeating: "[", count: 1_000_000), "{"),
        ("{\"__metadata__\":" + String(repeating: "{\"a\":", count: 500_000), "a string"),
      ] {
        try safetensorsBytes(header: header, data: []).write(to: path)
        let error = #expect(throws: FileError.self) { try SafetensorsFile.read(path) }
        #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
      }
    }
  }

  @Test func onlyRegularFilesAreRead() throws {
    try withTemporaryFolder { folder in
      let pipe = "\(folder)/pipe"
      #expect(mkfifo(pipe, 0o600) == 0)
      for path in [folder, pipe, "/dev/null", "/dev/zero"] {
        let error = #expect(throws: FileError.self) { try SafetensorsFile.read(path) }
        #expect(error?.description.contains("a regular file") == true)
      }
      let absent = #expect(throws: FileError.self) {
        try SafetensorsFile.read("\(folder)/absent.safetensors")
      }
      #expect(absent?.code == ENOENT)
      #expect(throws: FileError.self) { try SafetensorsFile.read("") }
      #expect(throws: FileError.self) { try SafetensorsFile.read("\(folder)\u{0}/x") }
    }
  }
}
