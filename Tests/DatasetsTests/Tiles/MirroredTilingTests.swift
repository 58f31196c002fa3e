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
    let tileRows = TileShape(inputSide: 10, outputSide: 4)
    let tileColumns = TileShape(inputSide: 12, outputSide: 6)
    let tiling = MirroredTiling(
      height: height, width: width, tileRows: tileRows, tileColumns: tileColumns)
    var covered = [Int](repeating: 0, count: height * width)
    for window in tiling.windows {
      // What a window decides lies in its output, and its output inside the image if it fits.
      #expect(window.ownRows.lowerBound >= window.row)
      #expect(window.ownRows.upperBound <= window.row + 4)
      #expect(window.ownColumns.lowerBound >= window.column)
      #expect(window.ownColumns.upperBound <= window.column + 6)
      #expect(window.row >= 0 && (height < 4 || window.row + 4 <= height))
      #expect(window.column >= 0 && (width < 6 || window.column + 6 <= width))
      for row in window.ownRows {
        for column in window.ownColumns { covered[row * width + column] += 1 }
      }
    }
    #expect(covered.allSatisfy { $0 == 1 })
  }

  @Test(arguments: [(1, 1, 1), (3, 5, 3), (12, 9, 1)])
  func tilesAreTheMirroredImage(_ height: Int, _ width: Int, _ channels: Int) {
    let pixels = (0..<height * width * channels).map { Float($0) }
    let tiling = MirroredTiling(
      height: height, width: width, tileRows: TileShape(inputSide: 14, outputSide: 4),
      tileColumns: TileShape(inputSide: 9, outputSide: 5))
    var extracted = [Float](repeating: -1, count: 14 * 9 * channels)
    for window in tiling.windows {
      extracted.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        tiling.extract(window, of: pixels, channels: channels, to: base)
      }
      for row in 0..<14 {
        for column in 0..<9 {
          let y = BorderRule.mirrored(window.row + row - 5, count: height)
          let x = BorderRule.mirrored(window.column + column - 2, count: width)
          for channel in 0..<channels {
            #expect(
              extracted[(row * 9 + column) * channels + channel]
                == pixels[(y * width + x) * channels + channel])
          }
        }
      }
    }
  }
}
