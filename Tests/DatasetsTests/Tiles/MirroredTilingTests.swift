// Mirrored positions, and covering an image with windows.

import Datasets
import Tensors
import Testing

@Suite struct BorderRuleTests {
  @Test func bordersAreRepeatedFirst() {
    #expect(
      BorderRule.mirrored(from: -7, length: 17, count: 3)
        == [0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2])
    #expect(BorderRule.mirrored(from: -3, length: 7, count: 1) == [0, 0, 0, 0, 0, 0, 0])
    #expect(BorderRule.mirrored(from: -2, length: 6, count: 2) == [1, 0, 0, 1, 1, 0])
  }

  @Test(arguments: 1...7)
  func theRuleIsAReflectionAtEachBorder(_ count: Int) {
    for position in -30...30 {
      let source = BorderRule.mirrored(position, count: count)
      #expect(source == BorderRule.mirrored(-1 - position, count: count))
      #expect(source == BorderRule.mirrored(2 * count - 1 - position, count: count))
      if (0..<count).contains(position) { #expect(source == position) }
    }
  }
}

@Suite struct MirroredTilingTests {
  @Test(arguments: [(1, 1), (1, 9), (4, 4), (5, 8), (13, 7), (16, 3)])
  func windowsCoverEachPixelOnce(_ height: Int, _ width: Int) {
    let tiling = MirroredTiling(height: height, width: width, windowHeight: 4, windowWidth: 6)
    var covered = [Int](repeating: 0, count: height * width)
    for window in tiling.windows {
      // Each begins on the grid of windows, and decides all of itself but what is beyond the image.
      #expect(window.rows.lowerBound.isMultiple(of: 4))
      #expect(window.columns.lowerBound.isMultiple(of: 6))
      #expect(window.rows.upperBound == min(window.rows.lowerBound + 4, height))
      #expect(window.columns.upperBound == min(window.columns.lowerBound + 6, width))
      for row in window.rows {
        for column in window.columns { covered[row * width + column] += 1 }
      }
    }
    #expect(covered.allSatisfy { $0 == 1 })
  }

  @Test(arguments: [(1, 1, 1), (3, 5, 3), (12, 9, 1)])
  func tilesAreTheMirroredImage(_ height: Int, _ width: Int, _ channels: Int) {
    let pixels = (0..<height * width * channels).map { Float($0) }
    let tiling = MirroredTiling(height: height, width: width, windowHeight: 4, windowWidth: 5)
    let rows = WindowShape(inputSide: 14, leading: 5, side: 4)
    let columns = WindowShape(inputSide: 10, leading: 2, side: 5)
    #expect((rows.trailing, columns.trailing) == (5, 3))
    #expect(columns.reversed == WindowShape(inputSide: 10, leading: 3, side: 5))
    var extracted = [Float](repeating: -1, count: 14 * 10 * channels)
    for (index, window) in tiling.windows.enumerated() {
      // Of all pixels, or of no more than the tile shows.
      let shown = tiling.rectangle(window, tileRows: rows, tileColumns: columns)
      let part = shown.rows.flatMap { y in
        pixels[
          (y * width + shown.columns.lowerBound) * channels..<(y * width + shown.columns.upperBound)
            * channels]
      }
      let source =
        index % 2 == 0
        ? PixelRectangle(height: height, width: width, channels: channels, values: pixels)
        : PixelRectangle(
          rows: shown.rows, columns: shown.columns, channels: channels, values: part)
      extracted.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        tiling.extract(
          window, tileRows: rows, tileColumns: columns, of: source, to: base)
      }
      for row in 0..<14 {
        for column in 0..<10 {
          let y = BorderRule.mirrored(window.rows.lowerBound + row - 5, count: height)
          let x = BorderRule.mirrored(window.columns.lowerBound + column - 2, count: width)
          for channel in 0..<channels {
            #expect(
              extracted[(row * 10 + column) * channels + channel]
                == pixels[(y * width + x) * channels + channel])
          }
        }
      }
    }
  }
}
