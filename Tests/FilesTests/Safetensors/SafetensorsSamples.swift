// A small file with a little of everything, and raw bytes for files that nobody should write.

import Files
import Foundation

/// Values whose bits must survive: a signed zero, an infinity, a subnormal and a NaN among them.
let sampleWeights: [Float] = [1, -0.0, .infinity, .leastNonzeroMagnitude, .nan, -2.5]

/// Strings that need every kind of escape.
let sampleMetadata = [
  "": "empty key", "note": "a \"quoted\" \\ back\u{8}slash\nline \u{1} \u{E9}\u{1F600}",
  "step": "100",
]

/// Writes the file that Tests/Fixtures/own.safetensors is.
func writeSample(to path: String) throws {
  let biases: [Float] = [0.25, 0.5]
  let mask: [UInt8] = [0, 255, 1]
  let step: [Int64] = [-7]
  try sampleWeights.withUnsafeBufferPointer { weights in
    try biases.withUnsafeBufferPointer { biases in
      try mask.withUnsafeBufferPointer { mask in
        try step.withUnsafeBufferPointer { step in
          try SafetensorsFile.write(
            [
              .init(name: "mask", shape: [3], values: mask),
              .init(name: "down.0.conv1.weight", shape: [2, 1, 1, 3], values: weights),
              .init(name: "down.0.conv1.bias", shape: [2], values: biases),
              .init(name: "step", shape: [], values: step),
            ], metadata: sampleMetadata, to: path)
        }
      }
    }
  }
}

/// A file of the given header and data, whether they fit each other or not.
func safetensorsBytes(header: [UInt8], data: [UInt8]) -> Data {
  withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + Data(header) + Data(data)
}

/// A file of the given header and data, whether they fit each other or not.
func safetensorsBytes(header: String, data: [UInt8]) -> Data {
  safetensorsBytes(header: Array(header.utf8), data: data)
}

extension Data {
  /// Writes the bytes as they are, in place of any file that is there.
  ///
  /// The old file is removed first: some file systems flush one that is cut to nothing and written
  /// again, which makes thousands of small files slow.
  func write(to path: String) throws {
    unlink(path)
    try write(to: URL(fileURLWithPath: path))
  }
}
