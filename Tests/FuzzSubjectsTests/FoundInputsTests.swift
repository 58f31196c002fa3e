// Inputs that ended a reader once, and cut and damaged ones: each is read or refused.

import Foundation
import FuzzSubjects
import TestSupport
import Testing

@Suite struct FoundInputsTests {
  private static let home = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

  private static func files(in folder: URL) -> [URL] {
    (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil))
      ?? []
  }

  /// A reader that traps ends the tests; one that throws what is no error of a file fails this one.
  @Test(arguments: FuzzSubject.allCases) func areReadOrRefused(_ subject: FuzzSubject) throws {
    let corpus = Self.home.deletingLastPathComponent().appendingPathComponent("Fuzz/Corpus")
    let found = Self.home.appendingPathComponent("Found")
    let inputs = [corpus, found].flatMap {
      Self.files(in: $0.appendingPathComponent(subject.rawValue))
    }
    try withTemporaryFolder { folder in
      for input in inputs {
        let bytes = Array(try Data(contentsOf: input))
        try subject.read(bytes, in: folder)
        for end in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 16)) {
          try subject.read(Array(bytes[..<end]), in: folder)
        }
      }
      try subject.read([], in: folder)
      try subject.read([UInt8](repeating: 0xFF, count: 300), in: folder)
    }
  }
}
