// The weight maps of images that are not kept in memory.

import Files
import Synchronization

/// The weight maps of a set, each computed once and kept in a temporary file.
///
/// A map takes far longer to compute than an image to decode, and an image is decoded again for each
/// of its tiles.
final class WeightCache: Sendable {
  private let file: ScratchFile
  /// The first byte of each image's map.
  private let offsets: [Int]
  private let known = Mutex<Set<Int>>([])

  /// A cache for images of so many pixels.
  init(pixelCounts: [Int]) throws(FileError) {
    file = try ScratchFile()
    var offsets: [Int] = []
    var end = 0
    for count in pixelCounts {
      offsets.append(end)
      end += count * MemoryLayout<Float>.stride
    }
    self.offsets = offsets
  }

  /// The weights of an image, by `compute` the first time.
  ///
  /// Two threads that ask for an image at once may both compute it, which gives the same bytes.
  func weights(of id: Int, count: Int, _ compute: () throws -> [Float]) throws -> [Float] {
    guard known.withLock({ $0.contains(id) }) else {
      let weights = try compute()
      try weights.withUnsafeBytes { bytes in try file.write(bytes, at: offsets[id]) }
      _ = known.withLock { $0.insert(id) }
      return weights
    }
    var weights = [Float](repeating: 0, count: count)
    try weights.withUnsafeMutableBytes { bytes in try file.read(bytes, at: offsets[id]) }
    return weights
  }
}
