// The temporary file without a name.

import Files
import Foundation
import Testing

@Suite struct ScratchFileTests {
  @Test func keepsWhatWasWrittenAtItsPlace() throws {
    let file = try ScratchFile()
    let (first, second): ([UInt8], [UInt8]) = ([1, 2, 3], [9, 8])
    // In any order, with a gap between them.
    try second.withUnsafeBytes { bytes in try file.write(bytes, at: 5) }
    try first.withUnsafeBytes { bytes in try file.write(bytes, at: 0) }
    var found = [UInt8](repeating: 7, count: 7)
    try found.withUnsafeMutableBytes { bytes in try file.read(bytes, at: 0) }
    #expect(found == [1, 2, 3, 0, 0, 9, 8])
  }

  @Test func whatWasNeverWrittenIsAnError() throws {
    let file = try ScratchFile()
    var found = [UInt8](repeating: 0, count: 4)
    let error = #expect(throws: FileError.self) {
      try found.withUnsafeMutableBytes { bytes in try file.read(bytes, at: 0) }
    }
    #expect(error?.expected == "read a temporary file")
  }

  @Test func leavesNoName() throws {
    let folder = FileManager.default.temporaryDirectory.path
    func names() throws -> Set<String> {
      Set(
        try FileManager.default.contentsOfDirectory(atPath: folder)
          .filter { $0.count == "unet-dist-XXXXXX".count && $0.hasPrefix("unet-dist-") })
    }
    let before = try names()
    let file = try ScratchFile()
    #expect(try names().subtracting(before).isEmpty)
    _ = file
  }
}
