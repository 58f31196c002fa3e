// The memory of one tile with its labels, used again and again.

/// One input tile, the labels of its output, and where they come from.
///
/// Its memory is allocated once, so that no training step allocates.
package final class SampleBuffer: @unchecked Sendable {
  // Unchecked because of the pointers and the variables: a buffer is owned by one thread at a
  // time, and BatchPreparation hands it over under its lock.

  /// The tile's pixels, inputSide x inputSide x channels.
  package let image: UnsafeMutablePointer<Float>
  /// The labels of the output, outputSide x outputSide.
  package let labels: UnsafeMutablePointer<UInt8>
  /// The weights of the output's pixels in the loss, outputSide x outputSide; nil for 1 everywhere.
  package let weights: UnsafeMutablePointer<Float>?
  /// The sides of tile and output.
  package let tile: TileShape
  /// The channels of the image.
  package let channels: Int
  /// The id of the image in its data set.
  package internal(set) var sample = 0
  /// The identity of the draw in its epoch, which keys the sample's randomness.
  package internal(set) var draw = 0
  /// The name of the image.
  package internal(set) var name = ""
  /// The epoch.
  package internal(set) var epoch = 0

  /// The number of values at `image`.
  package var imageCount: Int { tile.inputSide * tile.inputSide * channels }
  /// The number of values at `labels`.
  package var labelCount: Int { tile.outputSide * tile.outputSide }

  /// Bytes of the memory for one tile.
  package static func byteCount(tile: TileShape, channels: Int, isWeighted: Bool = false) -> Int {
    tile.inputSide * tile.inputSide * channels * MemoryLayout<Float>.stride
      + tile.outputSide * tile.outputSide * (isWeighted ? 1 + MemoryLayout<Float>.stride : 1)
  }

  /// Uninitialised memory for one tile, aligned to cache lines.
  package init(tile: TileShape, channels: Int, isWeighted: Bool = false) {
    precondition(channels > 0, "a tile of \(channels) channels")
    self.tile = tile
    self.channels = channels
    let imageCount = tile.inputSide * tile.inputSide * channels
    let labelCount = tile.outputSide * tile.outputSide
    image = UnsafeMutableRawPointer.allocate(
      byteCount: imageCount * MemoryLayout<Float>.stride, alignment: 64
    ).bindMemory(to: Float.self, capacity: imageCount)
    labels = UnsafeMutableRawPointer.allocate(byteCount: labelCount, alignment: 64)
      .bindMemory(to: UInt8.self, capacity: labelCount)
    weights =
      isWeighted
      ? UnsafeMutableRawPointer.allocate(
        byteCount: labelCount * MemoryLayout<Float>.stride, alignment: 64
      ).bindMemory(to: Float.self, capacity: labelCount) : nil
  }

  deinit {
    UnsafeMutableRawPointer(image).deallocate()
    UnsafeMutableRawPointer(labels).deallocate()
    weights?.deallocate()
  }
}
