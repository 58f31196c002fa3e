// Safetensors files: what is written is read again, by this program and by the library.

import Tensors
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
    #expect(try file.integers(of: "integers") == [-1, 1 << 62])
    #expect(file.shape(of: "scalar") == [])
    #expect(try file.floats(of: "scalar") == [0.125])
    #expect(file.shape(of: "empty") == [0, 3])
    #expect(try file.floats(of: "empty") == [])
    #expect(file.shape(of: "absent") == nil)
  }
}
