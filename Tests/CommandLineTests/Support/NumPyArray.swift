// Reading the `.npy` files that the program writes.

import Foundation
import Testing

/// An array of float32 in C order, read from a file of NumPy's version 1.0.
struct NumPyArray {
  let shape: [Int]
  let values: [Float]

  init(_ path: String) throws {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    try #require(bytes.count >= 10 && bytes.prefix(8) == [0x93, 78, 85, 77, 80, 89, 1, 0])
    let start = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
    try #require(start <= bytes.count && start.isMultiple(of: 64))
    let header = String(decoding: bytes[10..<start], as: UTF8.self)
    #expect(header.contains("'descr': '<f4'") && header.contains("'fortran_order': False"))
    let tuple = try #require(header.split(separator: "(").last?.split(separator: ")").first)
    shape = tuple.split { ", ".contains($0) }.compactMap { Int($0) }
    values = bytes[start...].withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
    #expect(values.count == shape.reduce(1, *), "\(header)")
  }
}
