// The mean over the symmetries of tiles, against predictions of images that are turned themselves.

import Datasets
import Inference
import Network
import Tensors
import Testing

@Suite struct TestTimeAugmentationTests {
  /// An image [height, width, channels] with rows and columns exchanged or not, then each reversed or
  /// not, by the definition.
  private static func transformed(
    _ pixels: [Float], side: Int, channels: Int, transposed: Bool, rows: Bool, columns: Bool
  ) -> [Float] {
    (0..<side * side).flatMap { index -> ArraySlice<Float> in
      var (y, x) = (index / side, index % side)
      if transposed { (y, x) = (x, y) }
      if rows { y = side - 1 - y }
      if columns { x = side - 1 - x }
      return pixels[(y * side + x) * channels..<(y * side + x + 1) * channels]
    }
  }

  private static func predictor(_ small: SmallNetwork, _ tile: Int?, averages: Bool)
    -> TiledPredictor
  {
    small.predictor(tile: tile, averaging: averages ? .symmetries : .none, threads: 2)
  }

  /// Of an image of whole pixels of the bottleneck, turning the image turns its tiles.
  @Test(arguments: Padding.allCases, Upsampling.allCases)
  func isTheMeanOfTurnedImages(_ padding: Padding, _ upsampling: Upsampling) throws {
    let channels = 3
    let small = SmallNetwork(
      channels: channels, classes: 3, padding: padding, upsampling: upsampling, dropout: 0)
    let (tile, side) = (120, 68)
    let pixels = noise(height: side, width: side, channels: channels)
    let mean = try Self.predictor(small, tile, averages: true).probabilities(
      height: side, width: side, channels: channels, pixels: pixels)
    var sums = [Double](repeating: 0, count: mean.values.count)
    let plain = Self.predictor(small, tile, averages: false)
    for index in 0..<8 {
      let (t, r, c) = (index & 1 == 1, index & 2 == 2, index & 4 == 4)
      let turned = Self.transformed(
        pixels, side: side, channels: channels, transposed: t, rows: r, columns: c)
      let map = try plain.probabilities(
        height: side, width: side, channels: channels, pixels: turned)
      // The other way round: reversed, then exchanged.
      let back = Self.transformed(
        map.values, side: side, channels: 3, transposed: t, rows: t ? c : r, columns: t ? r : c)
      for (place, value) in back.enumerated() { sums[place] += Double(value) / 8 }
    }
    for (value, expected) in zip(mean.values, sums) {
      #expect(abs(Double(value) - expected) < 1e-5)
    }
  }

  /// Tiles that are no squares are turned too, and pixels have probabilities whatever the plan.
  @Test func rectangularTilesAreTurned() throws {
    let small = SmallNetwork(classes: 2, padding: .mirror, dropout: 0)
    let (height, width) = (30, 71)
    let predictor = Self.predictor(small, nil, averages: true)
    let plan = predictor.plan(height: height, width: width)
    #expect(plan.tiles[0].rows.inputSide != plan.tiles[0].columns.inputSide)
    let map = try predictor.probabilities(
      height: height, width: width, channels: 1, pixels: noise(height: height, width: width))
    for pixel in 0..<height * width {
      #expect(abs(map.values[2 * pixel] + map.values[2 * pixel + 1] - 1) < 1e-5)
    }
  }
}
