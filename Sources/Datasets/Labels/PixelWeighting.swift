// The weights of the pixels of a decoded set, computed when they are first needed.

import Files
import Synchronization

/// The weight maps of a set, each computed once and kept in a temporary file.
///
/// A map takes far longer to compute than a tile, and every tile needs a part of one.
final class PixelWeighting: Sendable {
  private let map: WeightMap
  private let instances: [InstanceSource?]
  private let drawsInstanceBorders: Bool
  private let file: ScratchFile
  /// The first byte of each image's map.
  private let offsets: [Int]
  private let known = Mutex<Set<Int>>([])

  /// The weights of images of so many pixels, whose objects are numbered in `instances`.
  ///
  /// - Throws: `FileError` where there is no temporary file.
  init(
    _ map: WeightMap, pixelCounts: [Int], instances: [InstanceSource?], drawsInstanceBorders: Bool
  ) throws(FileError) {
    self.map = map
    self.instances = instances
    self.drawsInstanceBorders = drawsInstanceBorders
    file = try ScratchFile()
    var offsets: [Int] = []
    var end = 0
    for count in pixelCounts {
      offsets.append(end)
      end += count * MemoryLayout<Float>.stride
    }
    self.offsets = offsets
  }

  /// The weights of a rectangle of an image, rows x columns.
  ///
  /// Two threads that ask for an image at once may both compute its map, which gives the same bytes.
  ///
  /// - Throws: `FileError` for instances that cannot be read, and where the file cannot be written.
  func weights(
    of image: KeptImage, rows: Range<Int>, columns: Range<Int>
  ) throws(FileError) -> [Float] {
    let stride = MemoryLayout<Float>.stride
    if !known.withLock({ $0.contains(image.id) }) {
      let labels = image.labels(rows: 0..<image.height, columns: 0..<image.width)
      let weights = try map.weights(
        labels: labels, instances: instances[image.id], drawsBorders: drawsInstanceBorders,
        width: image.width, height: image.height)
      try weights.span.withUnsafeBytes { bytes throws(FileError) in
        try file.write(bytes, at: offsets[image.id])
      }
      _ = known.withLock { $0.insert(image.id) }
    }
    // Whole rows lie side by side.
    var band = [Float](repeating: 0, count: rows.count * image.width)
    var span = band.mutableSpan
    try span.withUnsafeMutableBytes { bytes throws(FileError) in
      try file.read(bytes, at: offsets[image.id] + rows.lowerBound * image.width * stride)
    }
    guard columns.count < image.width else { return band }
    return rows.indices.flatMap { row in
      let start = (row - rows.lowerBound) * image.width
      return band[start + columns.lowerBound..<start + columns.upperBound]
    }
  }
}

extension WeightMap {
  /// The weights of an image, by its numbered objects where there are some.
  ///
  /// - Throws: `FileError` for numbers that cannot be read.
  func weights(
    labels: [UInt8], instances: InstanceSource?, drawsBorders: Bool, width: Int, height: Int
  ) throws(FileError) -> [Float] {
    var numbers = try instances?.numbers(width: width, height: height)
    if drawsBorders, let found = numbers {
      let borders = borderPixels(found, width: width, height: height)
      numbers = found.indices.map { borders[$0] ? 0 : found[$0] }
    }
    return weights(labels: labels, instances: numbers, width: width, height: height)
  }
}
